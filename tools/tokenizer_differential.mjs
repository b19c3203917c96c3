// Holds `poro tokenize` against the Rust tokenizers library: every code point in several contexts, and random texts. Prints the
// first differences; exit code 1 if there is one.
//
//   mkdir -p /tmp/oracle && cd /tmp/oracle && npm install --ignore-scripts tokenizers@0.23.2
//   node <repository>/tools/tokenizer_differential.mjs --poro <repository>/build/release/poro --tokenizer tokenizer.json \
//        [--texts 100000] [--seed 1] [--no-code-points]
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { Tokenizer } = createRequire(process.cwd() + '/')('tokenizers');
const { values: options } = parseArgs({ options: {
  poro: { type: 'string' }, tokenizer: { type: 'string' }, texts: { type: 'string', default: '100000' },
  seed: { type: 'string', default: '1' }, 'no-code-points': { type: 'boolean', default: false } } });
const reference = Tokenizer.fromFile(options.tokenizer);
const kBatch = 20000;

// xorshift32: the same texts for the same seed.
let state = Number(options.seed) * 2654435761 >>> 0 || 1;
function random(limit) {
  state ^= state << 13; state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5; state >>>= 0;
  return state % limit;
}
const pick = (list) => list[random(list.length)];

function poroLines(flags, lines) {
  const run = spawnSync(options.poro, ['tokenize', '--model', options.tokenizer, ...flags],
    { input: lines.map((line) => JSON.stringify(line)).join('\n') + '\n', maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(run.stderr.toString());
  return run.stdout.toString().trimEnd().split('\n').map((line) => JSON.parse(line));
}

let checked = 0, different = 0;
async function compare(texts) {
  const ours = poroLines(['--jsonl'], texts.map((text) => ({ text })));
  const theirs = (await reference.encodeBatch(texts, { addSpecialTokens: false })).map((encoding) => encoding.getIds());
  const decoded = poroLines(['--decode'], theirs.map((ids) => ({ ids })));
  const referenceDecoded = await reference.decodeBatch(theirs, false);
  texts.forEach((text, i) => {
    ++checked;
    if (JSON.stringify(ours[i].ids) === JSON.stringify(theirs[i]) && decoded[i].text === referenceDecoded[i]) return;
    if (++different > 20) return;
    console.log(JSON.stringify({ text, ours: ours[i].ids, theirs: theirs[i], decoded: decoded[i].text, referenceDecoded: referenceDecoded[i] }));
  });
}

function codePoint() {
  for (;;) {
    const c = random(4) ? pick([random(0x80), random(0x800), random(0x3000), random(0x20000)]) : random(0x110000);
    if (c < 0xD800 || c >= 0xE000) return String.fromCodePoint(c);
  }
}

const added = Object.entries(reference.getVocab(true)).filter(([, id]) => id >= reference.getVocabSize(false)).map(([token]) => token);
const pools = [
  () => codePoint(),
  () => pick([' ', '\n', '\r', '\t', '\u00a0', '\u2003', '\u3000', '\u0085', '\u2028', '\v', '\f', '\u200b', '\u180e']),
  () => pick(["'s", "'T", "'re", "'VE", "'m", "'Ll", "'d", "'\u017f", "'", "\u2019s", "''", "'lL", "'r"]),
  () => String(random(pick([10, 1000, 1000000]))),
  () => pick(['the', 'Hello', 'p\u00e4iv\u00e4\u00e4', 'yht\u00e4', 'lentokone', 'ABC', 'ing', 'tion', '\u4f60\u597d', '\u043f\u0440\u0438', '\u0e2a\u0e27', '\ud83d\ude42', '\ud83d\udc68\u200d\ud83d\udc69']),
  () => String.fromCharCode(97 + random(26)).repeat(1 + random(80)),
  () => pick([' ', 'a', '=', '-', '0', '\n', '\u00e4', '\u0301', 'e\u0301', '\u1100\u1161']).repeat(1 + random(12)),
  () => (added.length ? pick(added) : '<'),
  () => pick(['<|', '|>', '<', '.', ',', '!', '?', '(', ')', '"', '/', '\\', '#', '@', '\u00bd', '\u00b2', '\u0660', '\u216b', '_']),
];
function randomText() {
  const favourites = [pick(pools), pick(pools), pick(pools)];
  let text = '';
  for (let parts = random(pick([3, 12, 40])); parts >= 0; --parts) text += (random(3) ? pick(favourites) : pick(pools))();
  return text;
}

async function inBatches(count, make) {
  for (let done = 0; done < count; done += kBatch) await compare(Array.from({ length: Math.min(kBatch, count - done) }, (_, i) => make(done + i)));
}

if (!options['no-code-points']) {
  const scalars = 0x110000 - 0x800;
  await inBatches(scalars, (i) => {
    const c = String.fromCodePoint(i < 0xD800 ? i : i + 0x800);
    return `a${c}b 1${c}2 ${c} ${c}${c}'${c}t\n${c}\n  ${c}A${c}\u0301`;
  });
  console.log(`every code point: ${checked} texts, ${different} different`);
}
await inBatches(Number(options.texts), randomText);
console.log(`${checked} texts, ${different} different`);
process.exit(different ? 1 : 0);
