// Writes tokenizers as other model families have them: the vocabulary of one byte-level BPE tokenizer, with the normalizers,
// pre-tokenizers and kinds of added tokens in use elsewhere, each as FOLDER/NAME.json. tools/tokenizer_differential.mjs holds
// `poro tokenize` against the Rust library on each; one that poro refuses is reported and passed over.
//
//   node tools/tokenizer_variants.mjs tokenizer.json FOLDER
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [source, folder] = process.argv.slice(2);
const base = JSON.parse(readFileSync(source, 'utf8'));
mkdirSync(folder, { recursive: true });

const byteLevel = (more = {}) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false, ...more });
const split = (regex, more = {}) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false, ...more });
const sequence = (...pretokenizers) => ({ type: 'Sequence', pretokenizers });
const normalizers = (...list) => ({ type: 'Sequence', normalizers: list });

const qwen = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const qwenMarks = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const o200k = String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const cased = String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const punctuationWords = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + '`' + String.raw`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const preTokenizers = {
  'gpt2': byteLevel({ use_regex: true }),
  'gpt2-prefix-space': byteLevel({ use_regex: true, add_prefix_space: true }),
  'qwen2': sequence(split(qwen), byteLevel()),
  'qwen2-removed-inverted': sequence(split(qwen, { behavior: 'Removed', invert: true }), byteLevel()),
  'qwen-marks': sequence(split(qwenMarks), byteLevel()),
  'o200k': sequence(split(o200k), byteLevel()),
  'cased': sequence(split(cased), byteLevel()),
  'deepseek-code': sequence(split('[\r\n]'), split(String.raw`\s?\p{L}+`), split(String.raw`\s?\p{P}+`), split('[一-龥ࠀ-一가-퟿]+'),
    { type: 'Digits', individual_digits: true }, byteLevel()),
  'deepseek-llm': sequence(split('[\r\n]'), split(String.raw`\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+`),
    split(String.raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`), split(String.raw`\s+$`), split('[一-龥ࠀ-一가-퟿]+'), { type: 'Digits', individual_digits: true },
    byteLevel()),
  'deepseek-v3': sequence(split(String.raw`\p{N}{1,3}`), split('[一-龥぀-ゟ゠-ヿ]+'), split(punctuationWords), byteLevel()),
  'starcoder': sequence({ type: 'Digits', individual_digits: true }, byteLevel({ use_regex: true })),
  'digits-together': sequence({ type: 'Digits', individual_digits: false }, byteLevel({ use_regex: true })),
  'bloom': sequence(split(String.raw` ?[^(\s|[.,!?…。，、।۔،])]+`), byteLevel()),
  'falcon': sequence({ type: 'Punctuation', behavior: 'Contiguous' }, byteLevel({ use_regex: true }), { type: 'Digits', individual_digits: false },
    split('[0-9][0-9][0-9]')),
  'command-r': sequence({ type: 'Digits', individual_digits: true }, byteLevel({ use_regex: true, add_prefix_space: false })),
  'words-back': sequence(split(String.raw`\w+(?=\s)|(?<=\d)\D`), byteLevel()),
  'lookaround': sequence(split(String.raw`(?<![\p{L}])\p{Lu}|\b\p{Ll}{2}|^.|.$`), byteLevel()),
  'literal': sequence({ type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithNext', invert: false }, byteLevel()),
  'merged-previous': sequence(split(String.raw`\s`, { behavior: 'MergedWithPrevious' }), byteLevel()),
  'contiguous': sequence(split(String.raw`[\p{P}\s]`, { behavior: 'Contiguous' }), byteLevel()),
  'merged-next-inverted': sequence(split(String.raw`\p{L}+`, { behavior: 'MergedWithNext', invert: true }), byteLevel()),
  'whitespace-split': sequence({ type: 'WhitespaceSplit' }, byteLevel({ add_prefix_space: true })),
  'possessive': sequence(split(String.raw`(?i)[sdmt]|ll|ve|re|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`), byteLevel()),
};
const normalizersByName = {
  'nfc': { type: 'NFC' }, 'nfkc': { type: 'NFKC' }, 'nfd': { type: 'NFD' }, 'nfkd': { type: 'NFKD' }, 'lowercase': { type: 'Lowercase' },
  'strip-lower-nfc': normalizers({ type: 'Strip', strip_left: true, strip_right: true }, { type: 'Lowercase' }, { type: 'NFC' }),
  'replace': normalizers({ type: 'Replace', pattern: { Regex: String.raw`\s{2,}` }, content: ' ' }, { type: 'Replace', pattern: { String: 'ä' }, content: 'ae' }),
  'prepend': { type: 'Prepend', prepend: '▁' },
  'empty': normalizers(),
};

// Combinations of the flags, as words, marks and parts of words. The Rust library fails on two tokens that strip the same space, so
// tokens strip on one side only, or on none; and of two tokens that are equal once normalized it takes another one in each process,
// so there are none.
function addedTokens(side) {
  const ids = [...Object.values(base.model.vocab), ...base.added_tokens.map((token) => token.id)];
  const next = ids.reduce((most, id) => Math.max(most, id), 0) + 1;
  const tokens = [];
  const contents = ['<mask>', 'ing', '<|x|>', 'Ä', '[INST]', 'e\u0301', '<mask><mask>', '<', '12', 'HELLO', 'tion', '…', '👨‍👩', 'ö'];
  if (!side) contents.push(' the', '\n\n', '\u00a0', 'tion ');
  contents.forEach((content, flags) => tokens.push({ id: next + flags, content, single_word: Boolean(flags & 1), lstrip: side === 'left' && Boolean(flags & 2),
    rstrip: side === 'right' && Boolean(flags & 2), normalized: Boolean(flags & 4), special: flags % 3 === 0 }));
  return tokens;
}

function write(name, changes) {
  const made = { ...base, ...changes, post_processor: null, decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true } };
  if (changes.model) made.model = { ...base.model, ...changes.model };
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(made));
}

for (const [name, pre_tokenizer] of Object.entries(preTokenizers)) write(name, { pre_tokenizer, normalizer: null });
for (const [name, normalizer] of Object.entries(normalizersByName)) {
  write(`normalizer-${name}`, { pre_tokenizer: preTokenizers.qwen2, normalizer });
  write(`normalizer-${name}-added`, { pre_tokenizer: preTokenizers.gpt2, normalizer, added_tokens: [...base.added_tokens, ...addedTokens()] });
}
for (const side of ['', 'left', 'right'])
  write(`added${side && '-'}${side}`, { pre_tokenizer: preTokenizers.qwen2, normalizer: null, added_tokens: addedTokens(side) });
write('added-prefix-space', { pre_tokenizer: preTokenizers['gpt2-prefix-space'], normalizer: null, added_tokens: addedTokens() });
write('no-ignore-merges', { pre_tokenizer: preTokenizers.qwen2, normalizer: null, model: { ignore_merges: false } });
