// Measures `poro bench tokenize`, `poro tokenize --jsonl` and the Rust tokenizers library beside each other, in turns, over the
// same documents. MB/s of processor time with one thread, of the clock with all of them.
//
//   mkdir -p /tmp/oracle && cd /tmp/oracle && npm install --ignore-scripts tokenizers@0.23.2
//   node <repository>/tools/tokenizer_speed.mjs --poro <repository>/build/release/poro --tokenizer tokenizer.json \
//        [--megabytes 20] [--rounds 3] english.txt finnish.txt
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals: files } = parseArgs({ allowPositionals: true, options: {
  poro: { type: 'string' }, tokenizer: { type: 'string' }, megabytes: { type: 'string', default: '20' },
  rounds: { type: 'string', default: '3' }, 'rust-on': { type: 'string' } } });

// Lines of text in documents of 16 KiB and a little: what `poro bench tokenize` encodes too.
function documentsOf(text) {
  const documents = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', Math.min(start + (16 << 10), text.length - 1));
    const end = newline < 0 ? text.length : newline + 1;
    documents.push(text.slice(start, end));
    start = end;
  }
  return documents;
}

// This process again, with the number of threads in its environment, which the library reads at its first call.
async function measureRust(file) {
  const { Tokenizer } = createRequire(process.cwd() + '/')('tokenizers');
  const tokenizer = Tokenizer.fromFile(options.tokenizer);
  const documents = documentsOf(readFileSync(file, 'utf8'));
  await tokenizer.encodeBatch(documents.slice(0, 50), { addSpecialTokens: false });
  const clock = process.hrtime.bigint(), processor = process.cpuUsage();
  for (let i = 0; i < documents.length; i += 256) await tokenizer.encodeBatch(documents.slice(i, i + 256), { addSpecialTokens: false });
  const { user, system } = process.cpuUsage(processor);
  console.log(JSON.stringify({ clock: Number(process.hrtime.bigint() - clock) / 1e9, processor: (user + system) / 1e6 }));
}

function run(command, args, settings = {}) {
  const result = spawnSync(command, args, { maxBuffer: 1 << 30, ...settings });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  return result.stdout?.toString();
}

function measureRound(file, jsonl, threads) {
  const megabytes = readFileSync(file).length / 1e6;
  const rust = (count) => JSON.parse(run(process.execPath, [fileURLToPath(import.meta.url), '--tokenizer', options.tokenizer, '--rust-on', file],
    { env: { ...process.env, RAYON_NUM_THREADS: String(count) } }));
  const bench = JSON.parse(run(options.poro, ['bench', 'tokenize', '--model', options.tokenizer, '--file', file, '--seconds', '1'])).files[0];
  const whole = (count) => {
    const output = openSync('/dev/null', 'w'), input = openSync(jsonl, 'r');
    const start = process.hrtime.bigint();
    run(options.poro, ['tokenize', '--model', options.tokenizer, '--jsonl', '--threads', String(count)], { stdio: [input, output, 'pipe'] });
    closeSync(input);
    closeSync(output);
    return megabytes / (Number(process.hrtime.bigint() - start) / 1e9);
  };
  return { poro_one: bench.bytes_per_processor_second_one_thread / 1e6, poro_all: bench.bytes_per_second / 1e6,
    jsonl_one: whole(1), jsonl_all: whole(threads), rust_one: megabytes / rust(1).processor, rust_all: megabytes / rust(threads).clock };
}

if (options['rust-on']) {
  await measureRust(options['rust-on']);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'tokenizer-speed-'));
  const threads = availableParallelism();
  console.log(`best of ${options.rounds} rounds, MB/s; all = ${threads} threads; jsonl includes the start of the program`);
  for (const source of files) {
    // Cut at the end of a line.
    const bytes = readFileSync(source).subarray(0, Number(options.megabytes) * 1e6);
    const file = join(folder, basename(source)), jsonl = file + '.jsonl';
    writeFileSync(file, bytes.subarray(0, bytes.lastIndexOf('\n') + 1));
    writeFileSync(jsonl, documentsOf(readFileSync(file, 'utf8')).map((text) => JSON.stringify({ text }) + '\n').join(''));
    const best = {};
    for (let round = 0; round < Number(options.rounds); ++round)
      for (const [name, rate] of Object.entries(measureRound(file, jsonl, threads))) best[name] = Math.max(best[name] ?? 0, rate);
    const rates = Object.entries(best).map(([name, rate]) => `${name} ${rate.toFixed(1)}`).join('  ');
    console.log(`${basename(source)}: ${rates}  poro/rust one ${(best.poro_one / best.rust_one).toFixed(1)}x all ${(best.poro_all / best.rust_all).toFixed(1)}x`);
  }
  rmSync(folder, { recursive: true });
}
