// Answers batches of images with a graph model, in the WebAssembly backend of TensorFlow.js.
//
//   node run.mjs PACKAGES MODEL.json
//
// First it writes a line of JSON: its versions, or the error that kept the model from loading. A request on
// the standard input is a shape of four whole numbers (32 bits, little-endian) and its float32 numbers. An
// answer is how many outputs there are, and of each how many axes, its shape and its float32 numbers; or 0, the
// length of a text, and the text that says what failed.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

// The standard output is for answers alone.
console.log = console.info = console.warn = console.error;

const [packages, file] = process.argv.slice(2);

async function load() {
  const require = createRequire(path.join(packages, 'package.json'));
  const tf = require('@tensorflow/tfjs-core');
  const { loadGraphModel } = require('@tensorflow/tfjs-converter');
  require('@tensorflow/tfjs-backend-wasm');
  // One thread: the others of the package outlive the program.
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly backend does not start');
  const { modelTopology, weightsManifest, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
  const parts = weightsManifest.flatMap((group) => group.paths);
  const weights = Buffer.concat(parts.map((name) => readFileSync(path.join(path.dirname(file), name))));
  const model = await loadGraphModel({
    load: async () => ({
      ...rest,
      modelTopology,
      weightSpecs: weightsManifest.flatMap((group) => group.weights),
      weightData: Uint8Array.from(weights).buffer,
    }),
  });
  return { tf, model, outputs: model.outputs.map(({ name }) => name) };
}

const chunks = process.stdin[Symbol.asyncIterator]();
let rest = Buffer.alloc(0);

async function take(length) {
  const parts = [rest];
  for (let held = rest.length; held < length; held += parts.at(-1).length) {
    const { value, done } = await chunks.next();
    if (done) return null;
    parts.push(value);
  }
  const all = Buffer.concat(parts);
  rest = all.subarray(length);
  return Uint8Array.from(all.subarray(0, length)).buffer;
}

async function answer({ tf, model, outputs }, shape, pixels) {
  const photos = tf.tensor4d(pixels, shape);
  // Only what may give any number of boxes cannot be run at once.
  const given = outputs.length > 1 ? await model.executeAsync(photos, outputs) : model.execute(photos, outputs);
  const tensors = [given].flat();
  const parts = [Uint32Array.of(tensors.length)];
  for (const tensor of tensors) {
    parts.push(Uint32Array.of(tensor.shape.length, ...tensor.shape), Float32Array.from(await tensor.data()));
  }
  tf.dispose([photos, tensors]);
  return parts;
}

function refusal(error) {
  const text = Buffer.from(String(error.message ?? error));
  return [Uint32Array.of(0, text.length), text];
}

function send(parts) {
  for (const part of parts) process.stdout.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
}

try {
  const loaded = await load();
  const { tf, outputs } = loaded;
  const hello = { tfjs: tf.version_core, backend: tf.getBackend(), node: process.version, outputs };
  process.stdout.write(`${JSON.stringify(hello)}\n`);
  for (let head = await take(16); head !== null; head = await take(16)) {
    const shape = [...new Uint32Array(head)];
    const body = await take(4 * shape.reduce((product, size) => product * size, 1));
    if (body === null) break;
    try {
      send(await answer(loaded, shape, new Float32Array(body)));
    } catch (error) {
      send(refusal(error));
    }
  }
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: String(error.message ?? error) })}\n`);
}
