"""What is no question about the ground: jokes, other skills, people, life, absent things, the future.

The first topic that a clause asks for counts.
"""

from __future__ import annotations

from agent.grammar.refusing.topics import BE, IT, SURFACE, THEIR, YEARS, Topic, X

_SEE = r"(?:see|find|show|spot|where|locate|look for|any|there|search for|detect)"

APART: tuple[Topic, ...] = (
    Topic(
        "secret",
        "I only answer questions about the surface that the index shows",
        SURFACE,
        (
            r"(?:api|secret|private|openai|access|license|your) keys?|passwords?|passphrase|credentials?",
            r"(?:system|hidden|initial|secret|original) (?:prompt|instructions?|message)s?",
            r"(?:your|the|all|any|previous|prior|above|earlier) (?:\w+ )?(?:prompt|instructions|"
            r"guidelines)",
            r"environment variables?|shell command|(?:run|execute) (?:a |the |this )?(?:shell|command|"
            r"script)",
        ),
    ),
    Topic(
        "off_topic",
        "this is not a question about the surface of a planet",
        SURFACE,
        (
            r"jokes?|poems?|haiku|limerick|songs?|lyrics|recipes?|horoscope|riddle|javascript|html|sql",
            r"(?:write|compose|draft|code|program) (?:me |us |down )?(?:a |an |some |my |the )?(?:\w+ )?"
            r"(?:code|script|program|essay|e ?mail|letter|story|poem|function|application|speech|cv|"
            r"resume)",
            r"(?:in|using) (?:python|java|matlab|c)|python (?:code|script|program)|source code",
            r"translat(?:e|ion|ed|ing)|what (?:is|are) \d+(?:\.\d+)? ?(?:times|plus|minus|divided by|x|"
            r"\*|\+|/) ?\d+",
            r"square root|do you (?:like|love|prefer|enjoy|believe|dream|feel)|solve (?:the|this) "
            r"equation|stock (?:price|market)s?|bitcoin|cryptocurrency",
            r"(?:real|actual|fictional|fictitious|imaginary|invented|fake|made ?up) (?:planet|world|body|"
            r"moon)s?|"
            r"prime minister|president of|capital (?:city )?of|world cup|what(?: is)? your (?:name|"
            r"favou?rite)",
            r"(?:tell|say|write|sing) (?:me )?(?:something )?(?:funny|nice|a story|a tale|a lie)|how are "
            r"you",
        ),
    ),
    Topic(
        "off_topic",
        "this is not a question about the surface of a planet",
        SURFACE,
        (
            r"president|king|queen|football|soccer|tennis|basketball|movies?|films?|homework|restaurants?|"
            r"pizza|hotels?|flights?|news|elections?|politic\w*|war|religion|god|love|marry|girlfriend|"
            r"boyfriend|python|java|books?|music|bread|cook\w*|cars?|price|buy|sell|money",
        ),
        weak=True,
    ),
    Topic(
        "ability",
        "I search the pictures of an index and measure what is found; I cannot act outside it or change it",
        SURFACE,
        (
            r"^(?:take|shoot|make|get|acquire|capture|request) (?:me |us )?(?:an? |some |more |another )?"
            r"(?:new |fresh |better |closer |sharper |high(?:er)? resolution )+"
            r"(?:photo|picture|image|shot|observation|measurement)s?",
            r"^(?:take|collect|bring(?: back)?|return|analy[sz]e) (?:an? |some |the )?(?:\w+ )?samples?",
            r"^(?:photograph|drill|dig|excavate|drive|fly|walk|travel|navigate|park|land (?:on|at|in|an?|"
            r"my|our|the|"
            r"there)|"
            r"visit|phone|call|(?:e ?mail|mail)(?! format)|text me|book|order|buy|pay|reserve|hire|"
            r"remind|schedule|"
            r"tweet|install|reboot|play(?! it safe)|sing|dance|paint|cook|retrain|simulate|animate|hack|"
            r"upload|fetch the "
            r"news)",
            r"^(?:send|forward|post|submit) (?!me (?:an? |the |all |some |every)|.*\bmap "
            r"of\b)[^,]{0,60}(?:e ?mail|mail|message|letter|"
            r"list|file|"
            r"report|supervisor|friend|colleague|professor|boss|rover|probe|drone|robot|it|them|to)\b",
            r"^(?:go|zoom|move|look) (?:in(?:to)? |out |closer |there |down )+(?:and|to|on|at|$)",
            r"^(?:edit|crop|rotate|flip|sharpen|enhance|brighten|darken|retouch|colou?rise|blur|invert|"
            r"denoise|upscale|photoshop)",
            r"(?:increase|enhance|improve|raise|boost|reduce|adjust|change) (?:the )?(?:contrast|"
            r"brightness|"
            r"resolution|sharpness|image quality|exposure|saturation)",
            r"(?:delete|erase|overwrite|wipe|rebuild|re ?index|rename|change|modify|update|extend|train) "
            r"(?:the |this |your |all |my )*(?:whole |entire )?(?:index|glossary|gazetteer|database|files?|"
            r"tiles?|images?|pictures?|model|threshold file|program|settings|hard ?drive|disk)",
            r"(?:add|put|insert) (?:an? |the |this |these |some |new )*[^,]{1,30} (?:to|into|in) (?:the |"
            r"your )"
            r"(?:index|glossary|gazetteer|database)",
            r"(?:make|create|render|record|produce) (?:me )?(?:an? )?(?:short )?(?:video|film|movie|"
            r"animation|"
            r"podcast|3 ?d \w+|fly ?through|sculpture)|3 ?d (?:print|model)",
            r"^(?:move|steer|drive|guide|point|turn|aim) (?:the |a |an |your )(?:rover|lander|probe|"
            r"drone|robot|telescope|"
            r"satellite|spacecraft|camera|orbiter)",
            r"(?:turn|switch) (?:on|off)|set (?:an? |the )?(?:alarm|timer|reminder)|telescope time",
            r"(?:search|browse|look up|google) (?:in |on )?(?:the )?(?:web|internet|google|wikipedia|news)",
        ),
    ),
    Topic(
        "life",
        "pictures from orbit at this scale cannot tell anything about life",
        SURFACE,
        (
            r"aliens?|extraterrestrials?|signs? of (?:\w+ )?life|life ?forms?|(?:bio|techno) ?signatures?",
            r"bacteri\w+|microb\w+|fossils?|organisms?|civili[sz]ations?|habitab\w+|inhabit\w*|martians",
            r"(?:is|was|were|are|there|any|ever|support|supports|sustain|harbou?r|host|ancient|past) "
            r"(?:there )?(?:ever )?(?:any )?(?:ancient |past |primitive )?life",
            r"life (?:have|on|here|there|in|at|exist\w*|survive|possible)|^life$|(?:anything|something) "
            r"alive",
            r"living (?:things?|beings?|creatures?|cells?)|(?:could|can|do|would) (?:humans|people|we|"
            r"anyone) "
            r"(?:live|breathe|survive)",
        ),
    ),
    Topic(
        "absent",
        "no such thing is on this surface or among the landforms that the index can be searched for",
        SURFACE,
        (
            r"cit(?:y|ies)|towns?|villages?|houses?|buildings?|skyscrapers?|roads?|streets?|motorways?|"
            r"highways?|"
            r"bridges?(?! between)|airports?|ships?|boats?|trains?|railways?|factor(?:y|ies)|"
            r"dams?|"
            r"pyramids?|harbou?rs?|"
            r"monuments?|churches|castles?|farms?|farmland|crops|irrigated|vineyards?|gardens?|parks",
            r"forests?|jungles?|trees?|grass(?:land)?s?|bush(?:es)?|flowers?|plants|vegetation|palms?|"
            r"coral reefs?|corals|animals?|birds?|fish(?:es)?|cows?|dogs?|cats?|horses?|elephants?|"
            r"insects?|"
            r"people|humans?|astronauts?|coloni(?:es|sts)|settlements?|waterfalls?|swimming|beach(?:es)?",
            rf"{_SEE} [^,]{{0,30}}(?:rovers?|landers?|parachutes?|heat ?shields?|spacecraft|satellites?|"
            r"probes?|wheel tracks|rover tracks|footprints?|flags?|debris of a crash)(?! could| can| "
            r"might)",
            r"(?:lander|rover|probe|spacecraft)s? (?:come|came|land(?:ed)?|crash(?:ed)?|tracks?|"
            r"parachute|is|are)",
            r"(?:running|flowing|liquid|open|standing|drinking|fresh) water|rivers? with water",
        ),
    ),
    Topic(
        "other_body",
        "this index shows one body only, and none beside it",
        SURFACE,
        (
            r"asteroids?|comets?|exoplanets?|other planets?|another planet|solar system|galax(?:y|ies)|"
            r"milky way|black holes?|stars|on the sun",
        ),
    ),
    Topic(
        "person",
        "the index holds no names of people, missions or papers",
        "where landforms and named places are",
        (
            r"^who(?! has (?:more|fewer|most)\b| lies?\b| sits?\b| are you| (?:is|are) (?:the "
            r")?(?:higher|lower|more|nearer|farther|"
            r"closer))",
            r"^(?:who|whom|by whom)$|whose (?:idea|discovery|name|work)|(?:was|were|been|first) (?:\w+ )?"
            r"(?:discovered|described|explored|photographed|named|mapped) (?:by|in|first|after)",
            r"(?:named|called) (?:after|for)|(?:its|their|the) names? come|(?:origin|meaning) of (?:its|"
            r"their|the) name|"
            r"etymology",
            r"(?:which|what|any|the) (?:scientific )?(?:papers?|articles?|books?|publications?|authors?|"
            r"mission|spacecraft|camera|telescope|satellite|instrument|scientists?|astronomers?)",
            r"(?:cite|citations?|references?|literature|publications?|doi) (?:on|about|for|of)",
        ),
    ),
    Topic(
        "future",
        "the index is one set of pictures and says nothing about the future",
        THEIR,
        (
            r"^(?:(?:where|when|how|what|which|how many|in which)\b[^,]{0,30} )?will"
            r"(?! there be (?:an? |any |some )?(?:maps?|pictures?|list|file|table)\b| you\b| i\b| we\b| "
            r"do\b)|(?:there|it|they|" + X + r") (?:will|shall)\b(?! do)",
            r"^(?:which|what|where|when|who|how)\b[^,]* (?:is|are) (?:going|about|due|bound|set) to (?!be "
            r"shown)|"
            r"(?:fail|collapse|erupt|move|slide|happen|form|break|fall|flood)s? next(?! to\b)",
            rf"{BE} {IT} (?:ever )?(?:going|about|likely|expected) to \w+|going to (?:erupt|happen|form|"
            rf"move)",
            r"(?<!chance )(?<!model )(?<!models )(?<!theory )(?:^|you |to )(?:predict|forecast|foretell)",
            r"forecasts?|what happens next|prognosis|in (?:the )?(?:near |distant )?future|future (?!work)",
            rf"next (?!to )(?:\w+ )?(?:{YEARS}|{X}|eruption|impact|landslide|decade)s?|tomorrow",
            rf"in (?:an? |the next |\d+ )?(?:\w+ )?(?:million |billion |thousand )?{YEARS}(?: time| from "
            rf"now)$",
            r"by (?:the year )?(?:20|21|22)\d\d|ever (?:again )?(?:erupt|happen|flow)|one day|some day|"
            r"someday",
        ),
    ),
)
