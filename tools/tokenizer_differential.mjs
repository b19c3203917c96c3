// Holds `poro tokenize` against the Rust tokenizers library: every code point in several contexts, random texts, bytes that are
// not UTF-8, long runs, and the lines and documents of files. Prints the first differences; exit code 1 if there is one.
//
//   mkdir -p /tmp/oracle && cd /tmp/oracle && npm install --ignore-scripts tokenizers@0.23.2
//   node <repository>/tools/tokenizer_differential.mjs --poro <repository>/build/release/poro --tokenizer tokenizer.json \
//        [--texts 100000] [--seed 1] [--no-code-points] [FILE...]
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { Tokenizer } = createRequire(process.cwd() + '/')('tokenizers');
const { values: options, positionals: files } = parseArgs({ allowPositionals: true, options: {
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
  const run = spawnSync(options.poro, ['tokenize', '--model', options.tokenizer, ...flags], { input: Buffer.concat(lines), maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(run.stderr.toString());
  return run.stdout.toString().trimEnd().split('\n').map((line) => JSON.parse(line));
}

// A line of JSON around bytes that need not be UTF-8, so that poro is given what the text was before it was decoded here.
function textLine(text) {
  if (typeof text === 'string') return Buffer.from(JSON.stringify({ text }) + '\n');
  const escaped = [];
  for (const byte of text) {
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c) escaped.push(...Buffer.from('\\u' + byte.toString(16).padStart(4, '0')));
    else escaped.push(byte);
  }
  return Buffer.concat([Buffer.from('{"text":"'), Buffer.from(escaped), Buffer.from('"}\n')]);
}

const shown = (value) => { const text = JSON.stringify(value) ?? ''; return text.length > 400 ? text.slice(0, 400) + '...' : text; };

let checked = 0, different = 0;
// Texts are strings, or Buffers of anything.
async function compare(texts) {
  const strings = texts.map((text) => text.toString());  // Of a Buffer: with U+FFFD for what is not UTF-8.
  const ours = poroLines(['--jsonl'], texts.map(textLine));
  const theirs = (await reference.encodeBatch(strings, { addSpecialTokens: false })).map((encoding) => encoding.getIds());
  const decoded = poroLines(['--decode'], theirs.map((ids) => Buffer.from(JSON.stringify({ ids }) + '\n')));
  const referenceDecoded = await reference.decodeBatch(theirs, false);
  strings.forEach((text, i) => {
    ++checked;
    const isSame = ours[i].ids.length === theirs[i].length && ours[i].ids.every((id, k) => id === theirs[i][k]);
    if (isSame && decoded[i].text === referenceDecoded[i]) return;
    if (++different > 20) return;
    const first = ours[i].ids.findIndex((id, k) => id !== theirs[i][k]);
    console.log(`text ${shown(text)} from id ${first}: ours ${shown(ours[i].ids.slice(Math.max(first, 0)))} theirs ${shown(theirs[i].slice(Math.max(first, 0)))}`);
    if (decoded[i].text !== referenceDecoded[i]) console.log(`  decoded: ours ${shown(decoded[i].text)} theirs ${shown(referenceDecoded[i])}`);
  });
}

async function compareAll(name, texts, batch = kBatch) {
  const before = [checked, different];
  for (let i = 0; i < texts.length; i += batch) await compare(texts.slice(i, i + batch));
  console.log(`${name}: ${checked - before[0]} texts, ${different - before[1]} different`);
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

// Words with bytes changed, lost or added: every way to be invalid, among what is valid.
function randomBytes() {
  const bytes = [...Buffer.from(randomText())];
  for (let changes = 1 + random(6); changes > 0; --changes) {
    const at = random(bytes.length + 1);
    bytes.splice(at, random(3), ...pick([[random(256)], [0x80 + random(0x80)], [0xe2, 0x82], [0xf0, 0x9f, 0x99], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xff], [0xf4, 0x90, 0x80, 0x80]]));
  }
  return Buffer.from(bytes);
}

const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));

if (!options['no-code-points']) {
  await compareAll('every code point', times(0x110000 - 0x800, (i) => {
    const c = String.fromCodePoint(i < 0xD800 ? i : i + 0x800);
    return `a${c}b 1${c}2 ${c} ${c}${c}'${c}t\n${c}\n  ${c}A${c}\u0301`;
  }));
}
await compareAll('random texts', times(Number(options.texts), randomText));
await compareAll('bytes that are not UTF-8', times(Number(options.texts) / 10, randomBytes));
const units = ['a', 'A', 'e', 'z', 'ab', 'the', '0', '1', '12', ' ', '  \n', '\n', '\r\n', '\t', '=', '-', '.', '<', "'", "'s", '_', '\u00e4', '\u00e4\u00f6', '\u0301', '\u4f60', '\u3042', '\ud83d\ude42', '\u00a0', '\u200b', 'aB', 'a ', ' a', 'lentokonesuihkuturbiini'];
await compareAll('a megabyte of one thing', units.map((unit) => unit.repeat(Math.ceil(2 ** 20 / Buffer.byteLength(unit)))), 1);
await compareAll('long random pieces', times(200, () => times(2000, () => pick('aeinst\u00e4\u00f6')).join('')));
for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const lines = text.split(/(?<=\n)/), documents = [];
  for (let i = 0; i < lines.length; i += 200) documents.push(lines.slice(i, i + 200).join(''));
  await compareAll(`lines of ${file}`, lines);
  await compareAll(`200 lines at once of ${file}`, documents, 200);
}
console.log(`${checked} texts, ${different} different`);
process.exit(different ? 1 : 0);
