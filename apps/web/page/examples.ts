/** Six topics, each as a sentence and as a long text; written for this page. The long ones share a tone, as texts do. */

export interface Text {
  id: number;
  text: string;
  /** Of an example; a text of one's own is called by its first words. */
  name?: string | undefined;
}

const TOPICS: [topic: string, sentence: string, story: string][] = [
  [
    "Bread",
    "Knead the dough for ten minutes and let it rise until it has doubled.",
    "My grandmother baked on Saturdays, and the whole house knew it by the smell. She never weighed " +
      "anything. Flour went into the bowl by the handful, then a pinch of salt, then the starter that " +
      "lived in a jar behind the radio, older than my mother. She would tell us about the war while " +
      "she kneaded, about her brothers, about the winter when there was no coal, and her hands kept " +
      "going as if they belonged to somebody else. When the dough was smooth she covered it with a " +
      "towel and put it near the stove, and that was our sign to go out and play. We came back hungry " +
      "two hours later. She pressed a finger into it, watched the dent fill slowly, nodded, shaped two " +
      "loaves and cut a cross into each of them. The oven was never right, too hot at the back, so she " +
      "turned them halfway through and swore a little. We were supposed to wait until they were cool. " +
      "Nobody ever did. The first slice, still steaming, with butter that melted at once, is what I " +
      "think of when anybody asks me where I come from, although the village is gone and the house was " +
      "sold long ago to people from the city.",
  ],
  [
    "Stars",
    "A white dwarf is the hot core left behind by a star like the Sun.",
    "When I was eleven my father borrowed a telescope from a colleague, and for one week in August " +
      "we drove out of town each night to a field behind the reservoir. It was cold for the season and " +
      "I complained about everything until he let me look. There was Saturn, absurdly small and " +
      "complete, with its ring, like something cut out of paper. I did not believe it was real. He " +
      "explained, badly, how far away it was, and that the light we saw had left more than an hour " +
      "earlier, before we had even packed the car. Later in the week we found the great cluster in " +
      "Hercules, a grey smudge that broke up into hundreds of points when I learned to look a little " +
      "to the side. He told me that some of these suns were older than the Earth and had burned almost " +
      "everything they had. I remember that I was frightened, and then that I was not. On the way home " +
      "I kept my head against the window. I have worked at three observatories since, and written " +
      "papers on the cooling of dead stars that perhaps forty people have read, and all of it goes " +
      "back to that field, the flask of tea, and the smell of wet grass.",
  ],
  [
    "Trains",
    "The night train to Vienna leaves from platform nine at 21:40.",
    "The line over the pass was to be closed at the end of the year, so in October we decided to " +
      "ride it once more from one end to the other. There were four of us, and a bag of sandwiches. " +
      "The conductor had worked there for thirty-one years and knew everyone by name, the " +
      "schoolchildren, the woman with the goat cheese, the doctor who got on at the halt in the forest " +
      "and slept until the terminus. He showed us the place where the avalanche had come down and the " +
      "hut in which the passengers had spent two days playing cards. The railcar was older than he " +
      "was. It climbed at the speed of a bicycle, through beeches and then larches and then bare rock, " +
      "and on the curves you could see your own last carriage below you. Nobody in the ministry had " +
      "ever been on it, he said; they had counted tickets, and the number was too small. At the top we " +
      "stopped for ten minutes so that the engine could cool, and everyone got out and stood in the " +
      "wind without saying much. In the valley on the other side a brass band was waiting, which " +
      "turned out to be for someone else.",
  ],
  [
    "Money",
    "The central bank raised its key interest rate by a quarter point.",
    "For twenty years I kept the books of a small furniture company, and I can tell you the exact " +
      "day on which it began to fail, although nobody noticed at the time, myself included. It was a " +
      "good year. Orders were up, the bank was friendly, and the owner, who was a kind man and a fine " +
      "carpenter, decided to build a second hall. The loan had a variable rate, because the fixed one " +
      "was a little dearer and everyone said that money would stay cheap for ever. We paid it without " +
      "thinking for three years. Then the rate moved, a quarter of a point, and a quarter again, and " +
      "each letter from the bank was politely worded and slightly shorter than the one before. Wood " +
      "became dearer in the same spring. A customer in the south went under and took nine months of " +
      "invoices with him. I made a table, with red figures, and carried it up to the office, and the " +
      "old man looked at it for a long time and asked me about my children. We sold the new hall " +
      "first, then the machines, then the name. I still have the table. I show it to young people when " +
      "they tell me that a number on paper is only a number.",
  ],
  [
    "Heart",
    "Chest pain that spreads to the left arm needs an ambulance at once.",
    "I had always thought of myself as somebody to whom such things do not happen. I ran, I did not " +
      "smoke, I slept well. On the Tuesday in question I was carrying a box of books up to the third " +
      "floor for my daughter, who had just moved, and on the second landing I had to sit down. It did " +
      "not hurt exactly. It was more as though someone had put a hand flat on my breastbone and was " +
      "leaning on it, patiently, and my left arm felt as if it had fallen asleep. I told her it was " +
      "nothing. She is a nurse, thank heaven, and did not listen. In the ambulance a young man with a " +
      "beard asked me the same five questions again and again and told me about his motorbike, and I " +
      "understood only later that he had been watching my face. They put a thin wire up through the " +
      "wrist; you can follow it on a screen, a little dark thread in a grey river, and then the river " +
      "opens. I was home after four days. What nobody tells you about is the year afterwards, when you " +
      "listen, every night before you sleep, to something that you had never once heard in fifty-eight " +
      "years.",
  ],
  [
    "Bees",
    "A worker bee lives for about six weeks in summer.",
    "Our neighbour kept eleven hives at the end of the orchard, and when he could no longer bend his " +
      "back he asked whether I would take them over. I knew nothing at all. The first spring I was " +
      "stung so often that my wife counted aloud at supper. He sat on a chair under the plum tree with " +
      "a stick and gave orders: slower, less smoke, do not breathe on them, look for the eggs. He " +
      "taught me to hear the difference between a colony that has its queen and one that has lost her, " +
      "which is a kind of moaning, and to read from the landing board in February what goes on inside " +
      "without opening anything. In June a swarm went up into the top of the lime, forty feet above " +
      "the road, and half the village stood below and gave advice. We got it down in a bucket tied to " +
      "a bean pole. That autumn we spun two hundred pounds, dark, nearly black, from the forest, and " +
      "he dipped his finger in and was quiet for a bit and said that it was the best since the year of " +
      "the flood. He died in January. On the morning of the funeral I went out to tell them, as one is " +
      "supposed to, and knocked three times on each hive.",
  ],
];

let ids = 0;

export function newText(text: string, name?: string): Text {
  return { id: ++ids, text, name };
}

export function examples(): Text[] {
  return [
    ...TOPICS.map(([topic, sentence]) => newText(sentence, `${topic} sentence`)),
    ...TOPICS.map(([topic, , story]) => newText(story, `${topic} story`)),
  ];
}

const NAME = 28;

export function nameOf(text: Text): string {
  if (text.name) return text.name;
  const words = text.text.trim().replace(/\s+/g, " ");
  if (words.length <= NAME) return words || "empty";
  const cut = words.slice(0, NAME);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), 12))}…`;
}
