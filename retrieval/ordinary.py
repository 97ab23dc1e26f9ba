"""Ordinary things: what texts are about that describe no landform.

A text is taken for a landform only if it is nearer to what the glossary says of it than to all of these. One
or two words for each thing are enough, as they are compared by meaning; a thing whose name landforms share
carries a word more (a hospital *bed*).
"""

_THINGS = """
    house; flat; office building; tower block; church; mosque; temple; castle; palace; museum; theatre;
    hotel; hospital; school; university; library; prison; factory; warehouse; barn; garage; greenhouse;
    windmill; lighthouse; supermarket; market stall; shop; restaurant; café; city; town; village;
    garden; park bench; playground; cemetery; statue; monument; fence; wall of bricks; chimney; roof;
    door; window; stairs in a house; lift; bathroom; toilet; shower; street; pavement; road; highway;
    roundabout; tunnel; bridge; railway track; tram; underground station; airport; harbour; pier; dock;
    shipyard; dam; canal boat; power station; power line; wind turbine; pipeline; crane; quarry
    machinery; landfill; car; lorry; bus; motorcycle; bicycle; train; locomotive; aeroplane; helicopter;
    rocket launch; submarine; ship; ferry; boat; yacht; canoe; tractor; ambulance; fire engine; tank;
    wheel; engine; dog; cat; horse; cow; sheep; goat; pig; chicken; duck; elephant; lion; tiger;
    giraffe; monkey; bear; wolf; fox; rabbit; mouse; deer; camel; kangaroo; penguin; eagle; owl; parrot;
    snake; lizard; crocodile; frog; turtle; fish; shark; dolphin; octopus; crab; lobster; jellyfish;
    bee; butterfly; ant; mosquito; insects; dinosaur; flock of birds; pets; tree; forest; jungle; grass;
    lawn; meadow; flower; rose; bush; hedge; orchard; vineyard; crops; rice paddy; corn; wheat; farm;
    plantation; mushroom; seaweed; moss; garden vegetables; bread; cheese; butter; milk; eggs; meat;
    sausage; soup; salad; pasta; pizza; rice dish; sandwich; cake; biscuit; dessert; ice cream;
    chocolate; sweets; sugar; fruit; apple; orange; lemon; tomato; potato; carrot; onion; beer; wine;
    tea; coffee; juice; breakfast; dinner; recipe; kitchen; oven; saucepan; knife and fork; bottle; cup;
    plate; man; woman; child; baby; family; crowd; king; queen; soldier; police officer; doctor; nurse;
    dentist; teacher; pupil; student; lawyer; judge; farmer; cook; waiter; driver; pilot; sailor;
    priest; actor; singer; dancer; painter; writer; journalist; engineer; politician; president; thief;
    tourist; footballer; head; hair; face; eye; nose; mouth; tooth; hand; foot; heart; brain; blood;
    bone; skin; disease; fever; headache; medicine; pill; vaccine; surgery; hospital bed; wheelchair;
    glasses; shirt; trousers; dress; skirt; coat; hat; shoe; sock; glove; umbrella; jewellery; ring on a
    finger; watch; bag; purse; suitcase; blanket; pillow; towel; carpet; curtain; chair; table; sofa;
    bed; wardrobe; shelf; lamp; mirror; washing machine; refrigerator; vacuum cleaner; scissors; hammer;
    screwdriver; saw; drill; nail; ladder; rope; bucket; broom; candle; clock; key; lock; gun; sword;
    toy; doll; kite; balloon; computer; keyboard; screen; printer; telephone; camera lens; television;
    radio; battery; robot; stadium; gymnasium; race track; tennis; football; cricket; hockey; golf;
    basketball; swimming; skiing; surfing; cycling; boxing; chess; card game; dice; music; song; guitar;
    piano; violin; drum; trumpet; flute; orchestra; concert; opera; ballet; dance; painting; sculpture;
    exhibition; festival; wedding; birthday party; Christmas; holiday; funeral; fireworks; circus; zoo;
    amusement ride; internet; website; software; password; e-mail; video game; photograph album; film;
    cartoon; book; newspaper; magazine; letter; envelope; stamp; pencil; paper; poem; novel; dictionary;
    money; coin; bank account; shares; price; tax; salary; mortgage; insurance; invoice; contract;
    company; advertisement; customer; election; parliament; government; law; crime; court; war; army;
    peace; freedom; religion; prayer; love; anger; fear; happiness; sadness; dream; idea; friendship;
    truth; beauty; history lesson; mathematics; grammar; language; philosophy; science lesson;
    examination; homework; meeting; interview; timetable; calendar; birthday; joke; story; news; rumour;
    rain; thunderstorm; lightning; rainbow; fog; clouds in the sky; hurricane; sunshine; sea; ocean;
    beach with bathers; waves breaking; coral; iceberg at sea; tropical island; snowman; snowball;
    waterfall with swimmers; pond with ducks; hot spring bath; campfire; tent; picnic; hiking; fishing;
    hunting; stars at night; galaxy; the Moon and the Earth; astronaut; space station; telescope; alien;
    flying saucer; spacecraft; rover
"""

ORDINARY = tuple(" ".join(thing.split()) for thing in _THINGS.split(";"))
