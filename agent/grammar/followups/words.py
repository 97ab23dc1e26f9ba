"""Word classes of follow-up questions: what may stand around a change without changing what it is.

`followups.skeleton` writes a question as a row of plain words in which things, places, limits, numbers
and layers are marks (``T0``, ``P0``, ``R0``, ``N0``, ``L0``). A change is recognised only if every word of
its row belongs to it or to one of these classes. Articles are left out before anything is compared.
"""

from __future__ import annotations

from agent.grammar.lexicon import words

# May stand beside any change.
FRAME = words(
    """
    and but so then now just only also too or do does did it its that this these those them they
    their there here is are was were be been being we i you me us my our one ones which what how
    about of for with in at to if when say as again once more another time next instead rather than
    not no question search query thing things answer result results same go going run repeat redo
    try use using take taking have has had let would could should can will might may case like want
    all any some where show find give list look see get ask asking meant mean im still on by please
    change w got
    """
)

# What is done to a number, and what numbers are called.
OF_NUMBERS = words(
    """
    make making set setting put turn change changed bring push move shift up down out into in within
    inside around from under over beyond away apart distance distances radius range ranges buffer
    limit limits threshold cutoff cut bound value number reach gap spacing separation margin zone
    circle latitude latitudes elevation elevations altitude altitudes height heights probability
    confidence certainty score minimum maximum min max least most raise raising increase increasing
    widen widening extend extending expand enlarge stretch grow broaden relax loosen open reduce
    reducing lower lowering decrease shrink tighten narrow restrict lessen less more fewer closer
    nearer farther further wider larger bigger greater smaller shorter till until each every other
    instead become becomes allow allowing accept assume taken go goes went exactly about roughly
    approximately even already level levels much many small large big high low short long wide tight
    strict north south northward southward consider happens happened hold holds true apply applies
    suppose assuming plus add zoom focus concentrate
    """
)

# Beside "double", "a bit wider".
OF_FACTORS = words(
    """
    double doubled doubling twice triple tripled half halve halved third bit little slightly
    somewhat lot much far way considerably significantly wider larger bigger greater looser tighter
    closer nearer smaller narrower stricter shorter generous times fold threefold widen loosen relax
    """
)

# Beside the name of a limit that is dropped.
OF_LIMITS = words(
    """
    limit limits limitation limitations condition conditions restriction restrictions constraint
    constraints filter filters filtering criterion criteria requirement requirements part bit bound
    bounds cutoff cut off band bands range thing about on any all every other others both everything
    entirely altogether completely
    """
)

# Around "the rest" and "those that are not".
OF_REST = words(
    """
    and but what how about show where are is which list find many number count of ones those them
    these they that lie do does did have has being be were was there then now so me only please with
    for in all to
    """
)

# Hits that are wanted, or not wanted, by how sure they are; and what stands beside such words.
SURE = words(
    """
    sure surest certain confident reliable best clear clearest clearly good safe safest solid strong
    strongest convincing trust trustworthy unambiguous definite obvious likely probable likeliest
    secure confidently unmistakable sound top firm robust undoubted certainly surely proper genuine
    """
)

UNSURE = words(
    """
    doubtful dubious uncertain unsure shaky weak weaker weakest questionable unlikely ambiguous
    vague unreliable borderline marginal unclear iffy poor doubts doubt improbable poorer faint
    tentative
    """
)

OF_SURE = words(
    """
    keep keeping detections detection hits hit very quite absolutely most more high higher low lower
    confidence certainty probability youre your youve feel feels really filter filtered reduce limit
    restrict narrow down model pretty fairly bet candidates examples leave out away drop remove
    discard exclude throw take skip enough reasonably truly totally highly tiles matches ignore omit
    without kick hide who self
    """
)

# What a result could be due to instead; and what stands beside such words.
CHANCE = words(
    """
    p pvalue expected associated association related relation relationship link linked correlated
    correlation connection connected avoid avoidance chance chances coincidence coincidental
    coincidentally luck lucky accident accidental accidentally random randomly randomness fluke
    significant significance significantly statistically meaningful haphazard
    """
)

OF_CHANCE = words(
    """
    pure purely each likely arisen value values compare compared mere merely sheer simply more less often
    closer than expect expected expects exceed exceeds by at beyond above over better could might
    test tested testing tests check verify against null model models happen happening happened arise
    occur explain explained real relation relationship association pattern proximity result finding
    number overlap closeness nearness statistic statistics statistical level just only would be been
    have has you anything else everywhere find points point placed scattered scatter places
    locations dots put thrown predict predicts predicted alone whether true really any degree or not
    sure certain convinced believe think accept trust yes simple plain result
    out due down because different differ from such frequent frequently high higher distribution
    """
)

ALL = FRAME | OF_NUMBERS | OF_FACTORS | OF_LIMITS | OF_REST | SURE | UNSURE | OF_SURE | CHANCE | OF_CHANCE
