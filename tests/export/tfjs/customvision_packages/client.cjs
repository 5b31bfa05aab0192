// What @microsoft/customvision-tfjs answers for photos.
//
//   node client.cjs FOLDER MODEL
//
// FOLDER holds an export, as a browser would get it, and photos.json: the width and height of photos and their
// RGBA pixels, as a canvas gives them. MODEL is ClassificationModel or ObjectDetectionModel. Writes JSON.
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const path = require('node:path');

const [folder, kind] = process.argv.slice(2);
console.log = console.info = console.warn = console.error;
const client = require('@microsoft/customvision-tfjs');

const server = createServer((request, response) => {
  response.end(readFileSync(path.join(folder, path.basename(request.url))));
});

server.listen(0, '127.0.0.1', async () => {
  try {
    const model = new client[kind]();
    await model.loadModelAsync(`http://127.0.0.1:${server.address().port}/model.json`);
    const results = [];
    for (const { width, height, pixels } of JSON.parse(readFileSync(path.join(folder, 'photos.json')))) {
      results.push(await model.executeAsync({ width, height, data: Uint8Array.from(pixels) }));
    }
    process.stdout.write(JSON.stringify(results), () => process.exit());
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
});
