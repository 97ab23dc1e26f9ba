"""Words by which people say that two things go together or avoid each other, and words of chance.

`ASSOCIATION` is a part of the table in `agent.grammar.phrases` and holds in any question. `SIGNS` are words
that mean a test, a cause or an alternative only where one thing is set against another ("made by", "likely",
"against"); `chance.testing` reads a question with them first, and without them if it is no test.
"""

from __future__ import annotations

import re

from agent.grammar.limits.conditions import ANY_QUANTITY

Patterns = tuple[tuple[str, ...], ...]

# "than one would get by throwing darts", "than pure luck allows", "than expected".
_LUCK = (
    r"(?:(?:pure |mere |sheer |simple |blind |plain |dumb |just |only |random )*"
    r"(?:chance|luck|accident|coincidence|fluke|shuffl\w+(?: (?:them|the \w+))?|rolling dice|"
    r"a coin (?:toss|flip)|"
    r"serendipity|throwing darts(?: at (?:the|a) map)?|"
    r"null models?|"
    r"random\w*(?: (?:points?|spots?|tiles?|places?|placements?|positions?|scatter\w*|distribution|chance|"
    r"locations?|sampl\w+|throws?|ones?|choice|placed (?:points?|spots?|tiles?)))?))"
)
_BE = r"(?:(?:would|should|could|might|will|do|does|did|is|are|was|were|be|have|has|had|can|d|to) )"
_WHO = r"(?:(?:they|it|you|one|we|that|what|those|ones|there|youd|theyd|itd|wed) )"
_SEE = r"(?:(?:expect\w*|get|see|find|hope|predict\w*|think|guess|give[ns]?|occur|happen|made) )"
_BY = r"(?:(?:by|from|at|with|in|under|for|through|on|due to|of|out of|to) )"
_ALLOW = (
    r"(?: (?:alone )?(?:would |could |might |should )?(?:be|allows?|permits?|predicts?|explains?|"
    r"gives?|suggests?|"
    r"have (?:it|them)|has it|yields?|produces?|does?))?"
)
_MORE = (
    r"(?:(?:more|less) (?:often|frequently|commonly|closely|usually|likely)|better|closer|nearer|more|less|"
    r"oftener)"
)
_EXPECTED = r"(?:expect(?:ed|ation|ations)?|predicted|a null model)"
_CLOSE = r"near\w*|clos\w+|often|common\w*|frequent\w*|far|rare\w*|abundant|many|few|dense\w*|likely"
_NOTABLY = (
    r"unusual(?:ly)?|suspicious(?:ly)?|conspicuous(?:ly)?|remarkabl[ey]|abnormal(?:ly)?|striking(?:ly)?|"
    r"surprising(?:ly)?|systematic(?:ally)?|uncommonly|exceptional(?:ly)?|notabl[ey]|strange(?:ly)?|curiously"
)

_WITH = r"(?:with|to|by|from)"
_GATHER = (
    r"(?:cluster|gather|congregate|crowd|concentrate|group|flock|bunch|assemble|aggregate|huddle|collect|"
    r"accumulate|swarm)(?:s|e?d|ing)?"
)
_ROUND = (
    r"(?:around|round|near(?: to)?|at|by|along|about|next to|close to|beside|in the (?:vicinity|"
    r"neighbou?rhood|"
    r"surroundings) of)"
)
_PLACES = r"(?:(?:the |to be (?:in|near) (?:the )?)?(?:surroundings|neighbou?rhood|vicinity|proximity) of)"
_LINKED = (
    r"associated|correlated|linked|related|connected|tied|bound|coupled|affiliated|allied|wedded|joined|"
    r"attached|co ?located|unrelated|unconnected"
)

ASSOCIATION: Patterns = (
    (
        "filler",
        r"by any chance|any chance (?:that |of |you )|if by chance",
        r"by chance (?=(?:know|have|tell|say|show)\b)",
    ),
    (
        "chance",
        rf"{_MORE}?,? ?than {_WHO}?{_BE}{{0,3}}(?:also )?{_SEE}?{_BY}?(?:an? |the )?{_LUCK}{_ALLOW}",
        rf"{_MORE}?,? ?than {_WHO}?{_BE}{{0,3}}{_EXPECTED}(?: (?:by|from|at|with|for|under|"
        rf"in) (?:an? )?{_LUCK})?"
        r"(?: is true)?",
        rf"(?:by|against|beyond|above|through|due to|other than|rather than|down to|beats?|"
        rf"exceeds?) (?:an? |what )?"
        rf"{_LUCK}{_ALLOW}",
        r"at random|(?:pure|mere|sheer|random|blind|dumb) (?:chance|luck|accident)|(?:just |"
        r"only )?(?:a )?fluke",
        r"(?:just|only|or|simply) (?:luck|chance|accident(?:al)?|random(?:ness)?)\b|luck\b",
        r"statistical\w*|(?:in|non ?)?significan\w*|coincidence|p[ -]?values?|monte carlo|permutation tests?",
        r"null (?:hypothes[ei]s|distributions?|models?)|over ?represented|under ?represented",
        r"disproportionate(?:ly)?|preferential(?:ly)?",
        rf"(?:{_NOTABLY})(?= (?:{_CLOSE}))",
    ),
    (
        "avoid",
        r"avoid(?:s|ed|ing)?|repel(?:s|led|ling)?(?: by)?|shun(?:s|ned|ning)?|eschew(?:s|ed|ing)?",
        r"steer(?:s|ing)? clear (?:of|from)|sh(?:y|ies|ying) away from|mutually exclusive(?: with)?",
        r"(?:exclude|rule out) (?:each other|one another)",
        r"(?:keep|stay|stand|hold|kept|stays|keeps|keeping|staying)s?(?: well| far)? "
        r"(?:away|clear|off|apart|aloof)(?: from| of)",
        r"keep(?:s|ing)? (?:their|its|a|some) distances? (?:from|to)|averse to|repulsed by",
    ),
    (
        "linked_to",
        rf"(?:{_LINKED}|(?:in|inter)?dependent|correlates?|correlating|co ?var(?:y|ies)) "
        rf"(?:in (?:space|position|location) |spatially )?(?:with|to|from|on|of)\b",
        r"(?:hinge|rel|bas)(?:es?|ies|y|ed)? on",
        rf"{_GATHER} {_ROUND}|accompan(?:y|ies|ied by|ying)|track(?:s|ing)? (?=\w)",
        r"(?:go|goes|going|come|comes|coming|went) (?:(?:together|along|hand in (?:hand|glove)|"
        r"side by side) )"
        r"?(?:with|alongside)",
        r"(?:hang|hangs|hanging|belong|belongs|pair|pairs|paired) (?:together )?with|belongs? to",
        r"follow(?:s|ed|ing)?|tend(?:s|ed)? to (?:be|lie|occur|sit|appear|form|cluster|gather|be found) "
        r"(?:very )?(?:near|close)(?: to| by)?",
        rf"(?:prefer|favou?r)(?:s|red|ed|ring|ing)?(?: {_PLACES})?|hug(?:s|ged|ging)?",
        r"(?:drawn|attracted|attracts?|attracting|stick|sticks|cling|clings)(?: close)?(?: to| by)?",
        r"(?:have|has|having|had) (?:an? |any |some |no )?(?:anything|something|nothing|much|"
        r"(?:a )?lot|little)?"
        r" ?to do with",
        r"(?:affinity|preference|predilection|liking|fondness|attraction|proneness) (?:for|to|towards?|with)"
        rf"(?: {_PLACES})?",
        r"depend(?:s|ing)? on|leads? to|leading to|feeds?(?: into)?|drains? into|emanat\w+ from",
        r"(?:start|begin|originate)s? (?:at|in|from)",
    ),
    (
        "linked",
        rf"{_LINKED}|correlate|correlates|(?:in|inter)dependent|independent(?:ly)?|dependent",
        r"associations?|(?:cor|inter)?relations?(?:hips?)?|correlations?|link(?:s|ages?)?|ties?|connections?",
        r"affinit(?:y|ies)|avoidances?|attractions?|repulsions?|(?:inter)?dependenc(?:e|y|ies)|coupling|bond",
        r"segregation|interplay|nexus|(?:hang|hangs|belong|go|goes|come|comes) together",
    ),
)

# Verbs of making. What stands before the active form makes what stands behind it.
_MAKE = {
    "make": "make|makes|made|making",
    "form": "form|forms|formed|forming",
    "shape": "shape|shapes|shaped|shaping",
    "carve": "carve|carves|carved|carving",
    "dig": "dig|digs|dug|digging",
    "build": "build|builds|built|building",
    "feed": "feed|feeds|fed|feeding",
    "create": "create|creates|created|creating",
    "produce": "produce|produces|produced|producing",
    "cause": "cause|causes|caused|causing",
    "control": "control(?! for)|controls(?! for)|controlled(?! for)|governs?|governed",
    "trigger": "trigger|triggers|triggered|triggering",
    "set off": "set off|sets off|setting off",
    "deposit": "deposit|deposited|lay down|laid down|left|leave|leaves",
    "sculpt": "sculpt|sculpts|sculpted|excavated?|excavates",
    "shake": "shake|shakes|shook|shaken(?: loose)?",
    "explain": "explain|explains|explained|account for|accounts for|driven|drove|generate|generates|"
    "generated|supply|supplies|supplied|emplaced|mobili[sz]ed|freed|released",
}
_MAKING = "|".join(_MAKE.values())
_WAY = r"(?:by|through|from|in|along|on|at|due to|because of|thanks to|where|with)"

_VIEWS = r"(?:hypothes[ei]s|theor(?:y|ies)|models?|ideas?|explanations?|views?|scenarios?|claims?|cases?)"

SIGNS: Patterns = (
    ("break", r"i ?\. ?e ?\. ?,?|that is to say|in other words"),
    (
        "chance",
        r"than (?:elsewhere|anywhere else|in other places|away from them)|(?:more|less) (?:apt|prone|"
        r"inclined|liable|disposed) to|likelier(?: to)?|(?:chance|luck|"
        r"random|accident|"
        r"coincidence|real|true|fact) or (?:not|no|(?:just |pure |mere )?(?:chance|luck|fiction|"
        r"coincidence|real))|"
        r"(?:randomly|independently) (?:placed|distributed|located|scattered)(?: with (?:respect|"
        r"regard) to)?",
    ),
    (
        "linked_to",
        r"(?:contingent|conditional|conditioned|predicated|reliant) (?:up)?on|anti ?correlated with",
    ),
    ("linked", r"anti ?correlat\w+|clustering (?:around|near|at)"),
    # Doubt is a reason to test, not a condition.
    (
        "filler",
        r"h ?\d\b(?: ?[=:])?|evaluate(?= h\d)|what do you (?:make|think) of|exhibits?|"
        r"verify(?: with numbers)?|"
        r"(?:my|our|the) (?:bet|guess|hunch|feeling|impression)(?: is)?(?: that)?|reject or keep|reject|"
        r"suppose|"
        r"can (?:you|we|i) (?:rule out|exclude|show|prove|confirm)(?: that)?|after(?= (?:that|this|"
        r"correct|allow|"
        r"adjust|control|tak|remov))",
        r"(?:(?:i|we|he|she|they|you|some|many|people) )?(?:do not|dont|does not|doesnt|did not|cannot|cant|"
        r"can not|hardly|never|refuse to) (?:(?:really|quite|at all|fully) )?(?:believe|think|see|accept|buy|"
        r"expect|suppose|imagine|trust)(?: (?:that|how|why))?",
        r"(?:(?:i|we) )?(?:doubt|dispute|question(?= whether)|am not (?:sure|convinced)|remain sceptical)"
        r"(?: (?:that|whether|if))?|prove (?:me|us|it) (?:wrong|right)|convince me",
        rf"(?:(?:to )?(?:separate|distinguish|discriminate|decide|choose|weigh|tell apart)(?: between)? )"
        rf"(?:(?:the|these|two|three|competing|\d) )*{_VIEWS}(?: (?:for|of))?",
        rf"{_VIEWS} (?:number )?(?:[a-c]|\d|i{{1,3}})\b|(?:1|one) (?:and|or) the same",
        r"(?:once|first|again|second|secondly|firstly|afterwards|begin|start)(?: (?:more|with))?"
        r"(?= (?:against|with|an?|test|by|for)\b)|"
        r"(?:d|r|dist)(?= ?[=:<]{0,2} ?\d)|(?:better|fitting|proper) (?=test)",
    ),
    (
        "linked",
        r"(?:an? |the |any )?(?:tendenc(?:y|ies)|propensit(?:y|ies)|inclination|proclivity|habit|"
        r"predisposition|"
        r"penchant|bias)(?! (?:to|of|for|towards?) (?:the )?(?:north|south|east|west|point\w*|run\w*|"
        r"trend\w*|face|"
        r"fac\w+|high\w*|low\w*|strik\w+|be (?:high\w*|low\w*|at|in)))(?: (?:to|of|for|towards?))?"
        r"(?: (?:be|being))?",
        rf"{_GATHER} together|associat(?:e|ing)",
    ),
    (
        "cause",
        r"(?:(?:an?|the|which is the) )?(?:better|best|likelier|likeliest|right|correct|real|true|"
        r"(?:more|most) (?:likely|probable|plausible|convincing))"
        r" (?:explanation|account|source|origin|cause|story|parent|maker)s?(?: (?:of|for))?",
    ),
    (
        "strata",
        r"(?:ignoring|disregarding|leaving (?:out|aside)|setting aside|regardless of|irrespective of|net of|"
        r"robust (?:to|against)|beyond|besides|apart from|other than|not just) (?:the )?(?:effects? of |"
        rf"influence of )?(?P<q>{ANY_QUANTITY})(?! (?:of|above|below|between|over|under))",
    ),
    # What things consist of is no question of nearness.
    (
        "composition",
        r"ma(?:d|k)e (?:up |out )?of|(?:is|are) made up|composed of|consist(?:s|ing)? of|built of",
    ),
    (
        "filler",
        r"(?:i|we) (?:(?:would|d|should) )?(?:like|want|need|wish|love) to(?: (?:know|see|test|ask|find out|"
        r"learn|understand|check|hear))?|(?:id|wed) like(?: to (?:know|see|test|ask|find out|check))?|"
        r"(?:i am|im|we are) (?:interested in|looking at|curious(?: about)?)",
        r"(?:close|strong|tight|loose|weak|firm|intimate|clear|direct)ly|common|frequent|fewer|numerous|"
        r"meaningful|determine|investigate|examine|assess|evaluat(?:e|ing)(?= (?:whether|if|the (?:assoc|rel|"
        r"link)))|radius|buffer|use|using|take|placed|put|null|statistics",
    ),
    ("filler", r"(?:that|so|this|very|too) (?=near|close|far)|(?:which|what) process(?:es)?(?= )"),
    ("compare", r"x(?= [a-z])|×"),
    (
        "filler",
        r"quantify|compute|calculate|work out|kindly|suspicion(?: that)?|to what extent|by how much|given(?= "
        r"between)|expect|causal(?:ly)?|simply|beyond (?:that|this|it)|(?:the )?literature|because",
        r"(?:\d |two |three )?(?:ideas?|hypotheses|theories|options|possibilities|scenarios|"
        r"views)(?: for| of)?",
    ),
    ("or", r"rather than|instead of|as opposed to|or (?:else|maybe|perhaps|rather)"),
    (
        "filler",
        r"(?:,? ?or )?(?:with |to |by |in )?(?:neither|none)(?: of (?:them|the two|"
        r"these))?(?=\s*(?:[?.!,]|$))",
        r"(?:or|whether or) not|yes or no|not (?:just|only|merely|simply)|(?:more )?(?:rather|"
        r"instead)(?! than)",
        r"(?:is|are|was) (?:this|that|it|these) (?:real|true|right|so)|spatial(?:ly)?|in space|really|"
        r"truly|real",
        r"genuine(?:ly)?|actual(?:ly)?|mere(?:ly)?|sheer|purely|indeed|seem(?:s|ed)? to|seems?|an? illusion",
        r"(?:some|people|many|my \w+|an? (?:colleague|student|friend|reviewer)|they|we|i) "
        r"(?:says?|claims?|thinks?|believes?|suggests?|suspects?|argues?|wonders?|guess)(?: that)?",
        r"(?:i have been |i am |im |i )?wonder(?:s|ing)?(?: for (?:some|"
        r"a long) time)?(?: now)?(?: whether| if)?",
        r"(?:thought|supposed|believed|said|assumed|expected|known) to|should|must|ought to|ha(?:ve|"
        r"s) to(?! do)|"
        r"would need to|the (?:idea|claim|"
        r"theory|notion) that",
        r"(?:any|some|no|much|more) (?:support|evidence|proof|sign|indication)s?(?: for| of| that)*|"
        r"supported",
        r"if you would be so kind|(?:please )?(?:check|see|find out|tell me|let me know|"
        r"say)(?: please)?(?: whether| if)?",
        r"whether|if|then|both|each|too|far (?=more|less)|the (?:presence|occurrence|existence|position) of",
        r"(?:what|which) (?:are|is) they|for (?:me|us)|sit|sits|sitting|what ?s|what (?:is|"
        r"are) the (?:probability|"
        r"odds|chances?|likelihood) (?:that|of)|probability that|occurr?ences?(?: of)?|that of|"
        r"those of|better",
        r"(?:does|do|can) (?:the |your |these )?(?:map|data|fact|position|index|image|picture|place|"
        r"location)s? "
        r"(?:support|back|confirm|favou?r|contradict|show)(?: (?:that|this|it))?|(?:from|by|using) (?:the )?"
        r"(?:map|positions?)",
        r"(?:check|compare|use|using|look at) (?:the |their )?(?:positions?|locations?|map|distances)",
    ),
    (
        "chance",
        r"(?:is|are|was) (?:it|this|that) (?:all |only )?(?:by )?(?:accident|chance|luck)|(?:by )?accident\b",
        r"(?:explained|caused|produced|made) by (?:pure |mere |random )?(?:chance|luck|accident)|more to it",
        r"(?:more|less) (?:often|frequently|commonly|usually|common|usual|frequent|likely|probable|numerous|"
        r"abundant|prevalent)(?= (?:near|close|around|round|beside|next|within|in the (?:vicinity|"
        r"neighbou?rhood"
        r"|surroundings)|at the)\b)",
        r"(?:more|less) (?:likely|probable|common|frequent|numerous)(?: nearby| there| around)?(?=\W*$)",
    ),
    (
        "chance",
        r"(?:the )?(?:chances?|odds|likelihood|probabilit(?:y|ies)) (?:of|for)(?: (?:finding|having|"
        r"seeing|meeting|"
        r"encountering))?(?! (?:\d|at|above|over|more|less|below))(?: (?:an? |the )?)?(?: ?higher| ?lower)?",
        r"(?:more|less) (?:likely|probable|common|frequent|usual|often)(?= (?:to|that))|chance(?=\W*$)",
        r"random(?:ly placed)? (?:points?|spots?|places?|positions?|tiles?|locations?)",
    ),
    (
        "filler",
        r"(?:is |are )?(?:higher|lower|greater|raised?|raises|increased?|increases)(?! (?:than|ground|up))",
    ),
    (
        "linked",
        r"(?:an? |the |any )?(?:lack|dearth|scarcity|deficit|shortage|paucity|excess|surplus|overabundance|"
        r"enrichment|depletion|over ?representation|under ?representation) of",
        r"co ?occur(?:s|ring|rences?)?|coincides?|clustering|closeness|nearness|proximity",
    ),
    (
        "linked_to",
        r"(?:causing|need|needs|require|requires|seek|seeks|love|loves) (?=\w)",
        r"share[sd]? (?:their |its |a |the )?(?:grounds?|places?|locations?|positions?) with",
        rf"(?:usually|typically|commonly|normally|mostly|generally|always|habitually|regularly|often|"
        rf"tend(?:s|ed)? to)"
        rf"(?: (?:be|lie|lies|occur|occurs|sit|sits|appear|appears|form|found|be found|are|is|located|seen))*"
        rf" {_ROUND}",
    ),
    ("linked", r"tend(?:s|ed)? to(?: be)?"),
    ("in_same", r"(?:only |also |mostly |exactly |just )?where (?:there (?:is|are|were) )?(?=\w)"),
    (
        "test",
        r"test(?:s|ed|ing)?(?: please)?(?: (?:for|of|whether|if|that))?|hypothes[ei]s(?: tests?)?",
        r"(?:do|run|show|give|see|check)(?: me| us)? (?:the|some|your|a|proper|any) "
        r"(?:stats|statistics|numbers|math|maths|tests?|significance tests?)|stats\b",
    ),
    (
        "cause",
        rf"(?:{_MAKING})(?: \w+ly)? {_WAY}(?: the)?\b",
        r"(?:come|comes|came|stem|stems|derive|derives|derived|originate|originates|result|results|"
        r"resulted|arise|"
        r"arises|grow|grew|born|descend|date)(?: ultimately)? (?:from|out of|of|in|at)",
        r"due to|because of|thanks to|owing to|down to|ow(?:e|es|ed) (?:their|its) (?:existence|"
        r"origin|form|shape)"
        r" to|owed to|(?:the )?(?:work|product|result|effect|trace|sign|legacy|expression|remnant)s? of",
        r"(?:the )?(?:source|origin|cause)s?(?: of| for)?|(?:cut|eroded|incised|left|hosted|dug) by",
        r"(?:get|gets|got|receive|receives|draw|draws) (?:their |its )?(?:\w+ )?from",
        r"responsible for|behind\b|in origin|of (?=\w+ origin)|(?:what|which) (?:are|is) behind",
    ),
    ("makes", rf"(?:{_MAKING})"),
    ("filler", r"(?:(?:more|most|rather) )?(?:likely|probably|plausibl[ey]|possibl[ey])"),
    (
        "each",
        r"(?:each|both|either|one|which)(?: one)? of (?:the (?:two|three|2|3)|them|these|those)|"
        r"the (?:two|three|2|3)(?! [a-z]+s\b)",
    ),
)

SIGN_WORDS = frozenset(
    word for _, *patterns in SIGNS for pattern in patterns for word in re.findall(r"[a-z]{3,}", pattern)
)
