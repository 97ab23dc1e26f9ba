"""What is asked of the ground and cannot be told: temperature, change, age, composition, depth, size, cause.

The classes of words above the table stand for what English offers for one idea. The first topic that a clause
asks for counts.
"""

from __future__ import annotations

from agent.grammar.refusing.topics import AREA, BE, IT, THE, THEIR, YEARS, Topic, X

_NOT_DATA = (
    r"(?! (?:layer|result|answer|question|search|map|catalogue|catalog|list|file|version|hit|"
    r"selection)s?\b)"
)
_FORMED = (
    r"(?:form(?:s|ed)?|made|created|erupt(?:s|ed)?|deposit(?:s|ed)?|laid|carved|cut|emplaced|come|came|"
    r"appear(?:s|ed)?|develop(?:s|ed)?|aris(?:e|es)|arose|grow|grew|happen(?:s|ed)?|occur(?:s|red)?|"
    r"flow(?:s|ed)?|built|born|originate[sd]?|active|exist(?:s|ed)?|dr(?:y|ied)|fill(?:s|ed)?|flooded)"
)
_MINERALS = (
    r"(?:olivines?|pyroxenes?|feldspars?|quartz|clays?|smectites?|phyllosilicates?|silicates?|silica|opal|"
    r"sul(?:f|ph)ates?|gypsum|jarosite|carbonates?|calcite|chlorides?|perchlorates?|h(?:a)?ematite|magnetite|"
    r"iron|oxides?|magnesium|sodium|calcium|potassium|titanium|sul(?:f|ph)ur|gold|silver|copper|uranium|"
    r"thorium|"
    r"metals?|ores?|diamonds?|oil|coal|organics?|carbon|nitrogen|oxygen|hydrogen|methane|ammonia|hydrated|"
    r"minerals?|mineralog\w*|granite|sandstone|limestone|salts?|brines?)"
)
_STUFF = rf"(?:{_MINERALS}|water|ice|snow|mud|basalt|permafrost|moisture|h2o|co2)"
_ROCK = rf"(?:{_STUFF}|rocks?|sand|dust|stone|soil|sediments?)"
_ROCKS = rf"(?:{_ROCK}|{X})"
_NOT_ADJECTIVE = (
    r"(?!(?: rich| bearing| cored| covered| filled| related| containing| age)? ◊)"
    r"(?! (?:rich|bearing|cored|caps?|sheets?|loss|lost|ages?|house)\b)"
)
_BIG = (
    r"(?:deep|tall|big|wide|long|thick|broad|heavy|small|shallow|voluminous|massive|huge|narrow|short|thin)"
)
_BIGGER = (
    r"(?:deeper|taller|bigger|larger|wider|longer|thicker|broader|heavier|smaller|shallower|shorter|"
    r"narrower|thinner)"
)
_BIGGEST = _BIGGER.replace("er|", "est|").replace("er)", "est)")
_SIZES = (
    r"(?:sizes?|depths?|thickness(?:es)?|diameters?|widths?|volumes?|lengths?|heights?|wavelengths?|"
    r"dimensions?|radius|radii|circumference|perimeters?|mass(?:es)?|weights?)"
)
_MEASURE = r"(?:average|mean|typical|median|maximum|minimum|max|largest|smallest|total|exact|usual)"
_MOVES = (
    r"(?:mov(?:e|ed|es|ing)|migrat\w+|chang(?:e|ed|es|ing)|grow(?:n|s|ing)?|grew|shr[aiu]nk|shrinking|"
    r"fad(?:e|ed|ing)|disappear\w*|vanish(?:ed|ing)?|advanc(?:e|ed|ing)|retreat\w*|shift(?:ed|ing)?|"
    r"expand(?:ed|ing)?|creep(?:ing)?|melt(?:ed|ing)?|erod(?:e|ed|ing)|drift(?:ed|ing)?|spread(?:ing)?|"
    r"erupt(?:ed|ing)?|flow(?:ed|ing)?|collaps(?:e|ed|ing))"
)
_NOT_BY = r"(?! (?:with|by|across|along|towards?|at|in|on|over|under|between) (?!time|the years|the season))"

GROUND: tuple[Topic, ...] = (
    Topic(
        "climate",
        "the index holds pictures of the ground and no temperatures, weather, seasons or hours",
        THEIR,
        (
            r"(?:air |ground |surface |soil |night |day )*temperatures?|celsius|kelvin|fahrenheit|"
            r"degrees c|heat flow|heat flux|melting point|freezing point",
            r"weather|climat(?:e|es|ic)|rain(?:s|y|ing|fall)?|snowfall|snow(?:s|ing|y)|clouds?|cloudy|"
            r"storms?|humidity|fog|atmospher\w+|air pressure|pressure|windy(?! (?:places?|areas?|regions?|"
            r"spots?) ◊)|sunny|lightning|thunder",
            r"winds? (?:speeds?|strength|velocity|force)|speed of the winds?|how (?:strong(?:ly)?|windy|"
            r"fast)[^,]* winds?",
            r"how (?:hot|cold|warm|icy|dry|wet|humid|dusty)",
            r"(?:hotter|colder|warmer|cooler|hottest|coldest|warmest|warm enough|cold enough|too hot|"
            r"too cold)",
            rf"^(?:is|are|was|were|gets?|does) {IT} (?:\w+ )?(?:hot|cold|warm|freezing|boiling|frozen|"
            rf"dusty|wet|dry)$",
            r"time of (?:the )?(?:day|year)|what time|local time|sunrise|sunset|dawn|dusk|noon|midnight|"
            r"daytime|nighttime|(?:at|in the) (?:night|morning|evening|afternoon)|solar (?:hour|longitude)",
            r"how long (?:is|does|lasts?) (?:an? |the )?(?:\w+ )?(?:day|year|season|night)",
            r"(?:which|what|best|right|the) (?:\w+ )?(?:seasons?|months?|time of year)(?! ◊)",
            r"(?:in|during|this|last|every|each) (?:the )?(?:summer|winter|spring|autumn|season)s?$",
            r"^(?:when|which|what|how|is|are|do|does)\b[^,]*(?:in|during) (?:the )?(?:summer|winter|"
            r"spring|autumn)",
            r"^is it (?:\w+ )?(?:summer|winter|spring|autumn|night|hot|cold|warm|freezing|wet|dry|dusty|"
            r"windy)|"
            r"it (?:snow|rain)s?|does it "
            r"(?:snow|rain)|sun ?(?:light|shine)|eclipse",
        ),
        suggest_one="At what latitudes are {a}?",
    ),
    Topic(
        "change",
        "the index is one set of pictures, so nothing can be said about motion, activity or change",
        THEIR,
        (
            rf"^(?:has|have|had) {IT} (?:\w+ ){{0,2}}{_MOVES}",
            rf"^(?:do|does|did|can|could) {IT} (?:\w+ )?{_MOVES}(?: (?:today|now|still|much|fast|slowly|"
            rf"away))*"
            rf"{_NOT_BY}(?:$|,| (?:over time|with time|since|every|each|with the seasons?|after|during))",
            rf"^(?:is|are|were|was) {IT} (?:\w+ ){{0,2}}{_MOVES.replace('(?:e|ed|es|ing)', 'ing')}"
            r"(?:$| (?:today|now|still|over time|since|away))",
            rf"{_MOVES} (?:\w+ )?(?:since|over time|with time|over the years|lately|recently|from year "
            rf"to year|"
            r"through time|with the seasons?|every year|between \d{4} and)",
            r"(?:still|currently|presently|now|today) (?:being )?(?:occur\w*|happen|form|move|grow|erupt|"
            r"flow|active|moving|form(?:ing|ed)|growing|"
            r"changing|flowing|erupting|happening|going on|alive)",
            r"(?:active|moving|form(?:ing|ed)|growing|changing|flowing|erupting|happening) (?:\w+ )?"
            r"(?:today|now|currently|at present|at the moment|these days|nowadays|right now|anymore|still)",
            rf"^(?:is|are|was|were|which) {IT} (?:still |currently |now |today )?(?:active|dormant|"
            rf"extinct)",
            rf"(?:\d+|many|some|few|ten|a) {YEARS} (?:ago|later|before|earlier|apart)|last {YEARS}|"
            rf"since (?:the )?(?:last|\d{{4}}|first|viking|previous)|from (?:{YEARS}) to {YEARS}|yesterday",
            r"(?:seasonal|recent|any) changes?|changes? (?:with|of) (?:the )?seasons?|before and after "
            r"(?:image|pic)",
            r"how (?:fast|quick(?:ly)?|slow(?:ly)?|rapid(?:ly)?)(?! (?:can|could|will|would) (?:you|i|we))",
            rf"(?:in|over|during|for) (?:the )?(?:recent|last|past|previous) (?:\w+ )?{YEARS}|lately|of late",
            rf"(?:any|some) new {X}|newly formed|(?:of|in|from|since) (?:19|20)\d\d",
            r"speeds?|velocit(?:y|ies)|discharge|(?:flow|migration|erosion|growth) rates?|per (?:second|"
            r"year)|"
            r"rates? of (?:\w+ )?(?:motion|movement|migration|erosion|flow|growth|retreat)",
        ),
    ),
    Topic(
        "age",
        "the index holds pictures and positions but no ages or dates",
        "where {them} are, and which of them lie in, near or away from each other",
        (
            r"how (?:old|young|ancient|recent(?:ly)?|fresh|aged)|how long (?:ago|since|have|has|had|did|"
            r"was|were)",
            r"(?:absolute|relative|model|surface|formation|retention|radiometric|exposure|geologic\w*|"
            r"crater(?:ing)?) ages?|(?<!ice )(?<!stone )ages?(?! of stone)(?! old)|isochrons?|chronolog\w+|"
            r"geochronolog\w+",
            r"(?:which|what) (?:geologic\w* |martian |time )*(?:epoch|era|eon|period|century|year|date|"
            r"time|moment)s?"
            r"|epochs?|(?:geologic\w*|stratigraphic|chronological|temporal|time) (?:eras?|eons?|periods?|"
            r"order|"
            r"sequence|succession|timing|history|relation\w*)|stratigraphy|timeline|timing",
            r"(?:sequence|order|succession) (?:of (?:events|formation|the events)|in which)|histor(?:y|"
            r"ies) of",
            r"^(?:is|are|was|were)\b.*(?:noachian|hesperian|amazonian)|(?:noachian|hesperian|"
            r"amazonian),? or",
            r"(?:millions?|billions?|thousands?|hundreds?) (?:of )?years|years old|\d (?:ma|ga|myr|gyr|"
            r"my|by)",
            rf"(?:crater|{X}) (?:counting|dating|retention)|radiometric|dated|datable",
            rf"(?:older|younger|elder)(?! looking){_NOT_DATA}|(?:oldest|youngest)(?! looking){_NOT_DATA}",
            rf"(?:more|most) (?:recent|ancient|modern)(?:ly)?{_NOT_DATA}|(?:earliest|newest) {THE}{X}",
            rf"(?:earlier|later|newer) (?:than|or|{X})|(?:earlier|later|newer)$",
            rf"how (?:many|much) (?:\w+ )?(?:{YEARS}|time|millenni\w+|aeons?|eons?)|(?:took|take|takes) "
            rf"(?:so |very )?long|"
            r"(?:for )?how long (?:a time |time )?(?:did|do|does|was|were|has|have|it|to|must|would)|"
            r"duration|"
            r"(?:life ?times?|life ?spans?) of",
            rf"(?:{BE}|{_FORMED}|goes|went|there) (?:the )?(?:first|last|earlier|later|earliest|latest|"
            rf"newer|"
            r"newest)(?:$|,| (?:of|or|and|in time|the)\b)|first to (?:form|be|appear|erupt)|^first came",
            r"(?:pre|post|ante) ?dat(?:e|es|ed|ing)|^dat(?:e|ing) |date (?:the|these|those|this)\b|you "
            r"date\b",
            r"dat(?:e|es|ing) (?:back|from)",
            r"(?:very|quite|rather|really|that|too) (?:old|young|ancient|recent|modern)(?! ◊)",
            rf"^(?:is|are|was|were) {IT} (?:\w+ )?(?:old|young|ancient|modern|recent|relict|new)(?:$|,| "
            rf"(?:or|and)\b)",
            rf"^(?:did|were|was|had|have|has|do|does|are|is|if|whether)\b.*{X}.* (?:before|after|prior "
            rf"to|during|"
            rf"following|until) {THE}(?:\w+ )?{X}",
            rf"^(?:did|were|was|had|have|has|do|does|are|is|{THE}{X}).*{_FORMED}.* (?:before|after|prior "
            rf"to|"
            r"at the same times?|simultaneously|together in time)(?! (?:§|that|this))",
            r"before or after|contemporan\w+|coeval|synchronous\w*|of the same age|simultaneous(?:ly)?",
            rf"^when (?:did|was|were|has|have|had|do|does|is|are)|^when {THE}{X} {_FORMED}|since when|when$",
            r"(?:known|clear|idea|know|tell me|learn|wonder|wondering|find out|determine|say|ask|"
            r"estimate|guess) when",
        ),
        suggest="Which {a} overlap {b}?",
    ),
    Topic(
        "composition",
        "the index holds pictures and positions but no composition: not which rock, mineral, ice or "
        "liquid it is",
        THEIR,
        (
            r"composition\w*|chemi(?:stry|cal|cally|cals)|geochem\w*|petrolog\w*|litholog\w*|isotop\w*|"
            r"molecul\w*|"
            r"spectr(?:a|um|al|oscop\w*|omet\w*)|mineralog\w*|chemical elements?",
            rf"{_MINERALS}{_NOT_ADJECTIVE}",
            r"ph(?: (?:values?|levels?))?|acidity|acid(?:ic)?|alkalin\w+|salinity|sal(?:ine|ty)(?! ◊)|"
            r"toxic\w*|"
            r"(?:basalt|andesit|rhyolit|granit|maf|fels|ultramaf|igne|sediment|metamorph|metall|calcar|"
            r"silice)"
            r"(?:ic|ous|ary)(?! (?:rock|lava|flow|plain|dune|layer|deposit)| ◊)",
            r"(?:made|composed|built|consist(?:s|ing)?|comprised)(?: up| out| mostly| mainly| only)* "
            r"(?:of|from)"
            r"(?: what)?(?:$|,| exactly)",
            r"what [^,]*(?:made|composed|built|consist(?:s|ing)?)(?: up| out)* (?:of|from)\b",
            rf"^(?:is|are|was|were) {IT} (?:\w+ )?(?:made|composed|built)(?: up| out| mostly| mainly)* "
            rf"(?:of|from)\b",
            rf"^(?:do|does|did) {IT} (?:consist|contain|hold|have|carry) (?:\w+ )?(?:of )?(?:\w+ "
            rf")?{_STUFF}",
            r"(?:what|which|some) (?:kind|type|sort)s? of (?:\w+ )?(?:rock|material|stone|sediment|soil|"
            r"ice|stuff|"
            r"substance|liquid|matter|sand|lava)s?",
            r"(?:rock|soil|bedrock) types?|(?:what|which) (?:\w+ )?(?:rocks?|materials?|substances?|"
            r"stuff|stones?|"
            r"elements?|liquids?|matter)(?! (?:near|in §))",
            rf"rich(?:er|est)? in {_ROCKS}|(?:contain|contains|containing) (?:\w+ "
            rf")?{_STUFF}{_NOT_ADJECTIVE}",
            rf"^(?:is|are|was|were) (?:there )?(?:any |some |still |really |actually |ever )*(?:\w+ "
            rf")?{_STUFF}\b"
            rf"{_NOT_ADJECTIVE}",
            rf"^(?:is|are|was|were) {IT} (?:really |just |only |mostly |rather |of |pure |solid |water |"
            rf"dry )*"
            rf"{_STUFF}\b{_NOT_ADJECTIVE}|{_STUFF} or (?:just |is it )*{_ROCK}|{_ROCK} or (?:just "
            rf")?{_STUFF}",
            rf"how much (?:of the )?(?:\w+ )?{_STUFF}|(?:amount|quantity|"
            rf"content|concentration|percentage|"
            rf"presence) of (?:\w+ )?{_STUFF}{_NOT_ADJECTIVE}|{_STUFF} content",
            rf"^where (?:is|are|was) (?:there )?(?:the )?(?:liquid |water )?{_STUFF}$|(?:with|of) "
            rf"(?:water )?ice$",
            r"(?:what|which) colou?rs?(?! by)|dust cover of",
        ),
    ),
    Topic(
        "subsurface",
        "pictures from above show the surface, not what lies below it",
        THEIR,
        (
            r"(?:what|anything|something|what all) (?:is|are|lies?|lay|hides?|sits?|rests?|could be|may be)"
            r"(?: hidden| buried| there)* "
            rf"(?:under(?:neath)?|below|beneath|inside of|deep inside|behind|within) {IT}",
            rf"(?:inside|in) {THE}(?:◊lava_tube|caves?)",
            r"aquifers?|ground ?water(?! ?:)|water table|magma chambers?|underground|sub ?surface|"
            r"subterranean|"
            r"caverns?",
            rf"(?:buried|hidden|lies?|lying|ice|water|rock|snow|salt) (?:\w+ )?(?:under(?:neath)?|below|"
            rf"beneath) {IT}",
            rf"(?:under(?:neath)?|beneath) {THE}(?:ground|surface|soil|crust|ice|dust|sand|regolith)",
            r"(?:hides?|hidden|lies?|lying|is|are|buried) (?:\w+ )?(?:underneath|beneath|below|under)(?: "
            r"it| them)?$",
            r"how far down|(?:planet|body) interior|interior of the planet|(?:core|mantle) of the planet|"
            r"(?:the )?crust(?:al)?(?= )(?! (?:of|on) (?:the )?(?:lava|◊lava))",
        ),
    ),
    Topic(
        "resolution",
        "this is smaller than the pictures of the index can show",
        THEIR,
        (
            r"\d+(?:\.\d+)? ?(?:cm|mm|inch(?:es)?|centimet\w+|millimet\w+|microns?)",
            r"pebbles?|gravel|cobbles?|stones|grains?|footprints?|single (?:boulder|rock|stone|grain)s?",
            r"(?:the )?sizes? of (?:an? |my )?(?:car|house|dog|football|person|human|bus|fist|hand|man|"
            r"truck|"
            r"tennis ball|basketball|building|room|tree|plane|coin|grain|pea|marble|fridge|table)s?",
            r"as (?:big|large|small|tall) as (?:an? |my )?(?!◊)\w+",
        ),
    ),
    Topic(
        "measurement",
        "sizes, depths and volumes of single landforms are not measured by the tools of this version",
        AREA,
        (
            rf"how {_BIG}(?! (?:(?:an? |is the |are the )?(?:area|fraction|share|percentage|proportion|"
            rf"number|"
            rf"density|part|distance|difference|count)|(?:in )?(?:number|lat|lon)))",
            r"how (?:large|great)(?! (?:an? |is the |a )*(?:area|fraction|share|percentage|proportion|"
            r"number|"
            r"density|part|distance|difference|surface))",
            r"how (?:high|low)(?= (?:is|are|was|were|does|do|can|the)\b)(?![^,]*(?:lie|lies|sit|sits|occur|"
            r"occurs|located|situated|found|elevation|altitude|datum|ground|up|reach up|live|begin|start|"
            r"density|probability|share|number|count|fraction))",
            r"how steep(?! (?:is|are) (?:the )?(?:ground|terrain|surface|slopes?)\b)",
            rf"how many (?:cubic|§|km|kilomet\w+|met(?:er|re)s|m|miles|feet) (?:\w+ )?(?:{_BIG}|high|"
            rf"across|of lava)",
            r"how (?:much|many ton\w* of|many kilos of) (?:of the )?(?:rock|sand|dust|soil|sediment|"
            r"debris)s?",
            r"cubic|(?:volume|tonnage|wavelength|thickness(?:es)?)s?|depth (?:to )?diameter|aspect ratio",
            rf"{_SIZES} of {IT}|{_MEASURE} {_SIZES}|(?:what|which|the|its|their) (?:is the |are the |is "
            rf"their )?"
            rf"(?:depth|diameter|width|volume|size|length|thickness|wavelength|dimension)s?(?! (?:§|"
            rf"km))(?! of (?:§|the area|the surface|the index|the tiles|tiles))",
            rf"{X} (?:depth|height|diameter|width|volume|size|length|thickness|wavelength|dimension)s?$",
            rf"^(?:depth|diameter|width|size|length|height)s? {THE}{X}",
            r"^(?:how|what|which|is|are|do|does)\b.*(?:depth|diameter|dimension)s?\b(?!_)",
            rf"^(?:is|are|was|were) {IT} (?:\w+ )?{_BIGGER}(?: than {THE}{X}|$| (?:in|on|at|near|§))|"
            rf"^which (?:of them |one )?(?:is|"
            rf"are) "
            rf"(?:the )?(?:{_BIGGER}|{_BIGGEST})",
            rf"^the {_BIGGEST} {X}$|^(?:what|which|whats) (?:(?:is|are|was) )?{THE}{_BIGGEST}|^(?:what|"
            rf"which) {X} (?:is|are) "
            rf"{THE}{_BIGGEST}",
            r"(?:which|what) (?:side|way|wall|slope)s?\b[^,]*\bof\b[^,]*\bfac(?:e|es|ing)\b",
        ),
        suggest="Where are {a} near {b}?",
        suggest_one="How much area do {a} cover?",
    ),
    Topic(
        "measurement",
        "this is a property that no tool here measures",
        THEIR,
        (
            r"gravit\w+|magneti\w+|radioactiv\w*|radiation|radar|conductivity|porosity|hardness|"
            r"escape velocity|permeability|seismograms?|(?:rock|bulk) densit(?:y|ies)|"
            r"strength of the (?:rock|ground|soil)|sounds?|smells?|tastes?|worth(?! \w+ing)|dangerous|"
            r"safe(?! (?:\w+ )?(?:place|spot|site|area|zone|region|landing|ground|location|bet)s?)|"
            r"(?:how|more|most|less) beautiful|beauty|(?:kg|kilograms?|grams?|tons?|tonnes?) (?:per|m3|"
            r"cm3|/)|"
            r"hazard\w*|expensive|costs?",
            r"how many (?:moons|satellites)|distance (?:to|from) the sun|orbit(?:al)?|(?:mass|radius|"
            r"diameter|"
            r"circumference|age|size|weight) of (?:the|this) (?:planet|body|moon|world)",
            r"how (?:big|large|heavy|old|far) is (?:the|this) (?:planet|body|moon|world)",
        ),
    ),
    Topic(
        "cause",
        "where landforms are does not tell how they formed, so I cannot name a cause",
        THEIR.replace("what lies near them", "what lies near them more often than chance"),
        (
            r"why|how come|origins? of|explain (?:why|how(?! (?:l\d|you|it was made|that was made))|"
            r"the(?! (?:layers?|results?|answers?|hits|map|"
            r"numbers?|selection|difference)))|(?:which|what) process(?:es)?|caused by|"
            r"reasons? (?:for|that|behind|why)",
            r"what (?:could |may |might |has |have |had )?(?:caused?|causes|made|makes|formed|forms|"
            r"creates?d?|"
            r"explains?|produces?d?|triggers?|triggered|carved|built|shaped|dug|left|led|eroded|"
            r"sculpted)(?! of)",
            r"(?:^|know |learn |tell me |wonder |ask )how (?:did|do|does|were|was|are|is|have|has|can|"
            r"could)\b"
            r"[^,]*\b(?:form|formed|made|created|originate|originated|come about|emplaced|arise|arose|"
            r"develop|developed|born|come into being|come to be|get there|came|built)\b|mechanisms?|"
            r"formation of",
            rf"how (?:did|do|does|could|can) (?:\w+ ){{1,2}}(?:carve|form|make|shape|create|build|"
            rf"produce|dig) {THE}{X}",
            rf"how {THE}{X} (?:\w+ )?(?:form|formed|made|created|originated?|came about|arose|developed|"
            rf"emplaced)",
            rf"^(?:did|does|do|could|can|has|have) (?:an? |the )?(?:\w+ ){{1,2}}(?:trigger|cause|carve|"
            rf"make|produce|"
            rf"create|shape|form|build|dig|erode)(?:d|s|ed)? {THE}{X}",
        ),
        suggest="Are {a} associated with {b}?",
    ),
)
