// Times llama.cpp (the prebuilt library of npm's node-llama-cpp, installed where this is run) on a GGUF file:
//   npm install node-llama-cpp@3.22.1 && node llama_cpp_speed.mjs 8b-q8_0.gguf 2
// With one thread the time is the process's own on the processor, so that a busy machine does not spoil it.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);

const [path, threadsText] = process.argv.slice(2);
const threads = Number(threadsText ?? 2);
const seconds = () => {
  if (threads > 1) return performance.now() / 1e3;
  const {user, system} = process.cpuUsage();
  return (user + system) / 1e6;
};

const llama = await getLlama({gpu: false, build: "never", maxThreads: threads, logLevel: "error"});
const model = await llama.loadModel({modelPath: path, useMmap: false});
const ids = (count) => Array.from({length: count}, (_, i) => 300 + ((i * 7919) % 100000));

for (const count of [128, 512]) {
  const context = await model.createContext({contextSize: 1024, batchSize: 512, threads});
  const sequence = context.getSequence();
  const start = seconds();
  await sequence.evaluateWithoutGeneratingNewTokens(ids(count));
  console.log(`prompt of ${count}: ${(count / (seconds() - start)).toFixed(2)} tok/s`);
  if (count === 128)
    for (let run = 0; run < 3; ++run) {
      let generated = 0, begin;
      for await (const token of sequence.evaluate(ids(1), {temperature: 0, yieldEogToken: true})) {
        if (generated++ === 0) begin = seconds();  // The first token pays for the start.
        if (generated > 12) break;
      }
      console.log(`generation: ${((generated - 1) / (seconds() - begin)).toFixed(2)} tok/s`);
    }
  await context.dispose();
}
