// node flow.cjs JSON: from an empty project to a downloaded model and back; a line of JSON a step. See flow.py.
const { createRequire } = require("node:module");
const fs = require("node:fs");
const path = require("node:path");

const load = createRequire(path.join(process.cwd(), "package.json"));
const { TrainingAPIClient } = load("@azure/cognitiveservices-customvision-training");
const { PredictionAPIClient } = load("@azure/cognitiveservices-customvision-prediction");
const { ApiKeyCredentials } = load("@azure/ms-rest-js");

const say = (step, what) => console.log(JSON.stringify({ step, ...what }));
const pause = () => new Promise((resolve) => setTimeout(resolve, 200));
const dated = (...dates) => dates.every((date) => date instanceof Date && !Number.isNaN(date.getTime()));

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.statusCode, error.body.code];
  }
  return [];
}

async function fill(client, project, folder) {
  const tags = {};
  const images = [];
  for (const name of fs.readdirSync(folder).sort()) {
    tags[name] = await client.createTag(project, name);
    for (const photo of fs.readdirSync(path.join(folder, name)).sort()) {
      const contents = fs.readFileSync(path.join(folder, name, photo));
      images.push({ name: photo, contents, tagIds: [tags[name].id] });
    }
  }
  const first = await client.createImagesFromData(project, images[0].contents, { tagIds: images[0].tagIds });
  if (!first.isBatchSuccessful) throw new Error("the first upload failed");
  images.push({ name: "bad", contents: Buffer.from("no photo") });
  const summary = await client.createImagesFromFiles(project, { images });
  const statuses = [...new Set(summary.images.map((one) => one.status))].sort();
  say("upload", { statuses, images: summary.images.length });
  const [one] = await client.getTaggedImages(project, { take: 1 });
  const counts = Object.fromEntries((await client.getTags(project)).map((tag) => [tag.name, tag.imageCount]));
  const { body: count } = await client.getTaggedImageCount(project);
  say("images", { count, tags: counts, dated: [dated(one.created, one.tags[0].created)] });
}

async function train(client, project) {
  let iteration = await client.trainProject(project, { trainingParameters: {} });
  say("train", { name: iteration.name, status: iteration.status });
  while (iteration.status !== "Completed") {
    await pause();
    iteration = await client.getIteration(project, iteration.id);
    if (iteration.status === "Failed") throw new Error(iteration.trainingErrorDetails);
  }
  say("trained", { exportable: iteration.exportable, dated: dated(iteration.trainedAt) });
  say("again", { refused: await refusal(client.trainProject(project)) });
  const performance = await client.getIterationPerformance(project, iteration.id, { threshold: 0.5 });
  say("performance", { tags: performance.perTagPerformance.map((tag) => tag.name).sort() });
  return iteration;
}

async function exported(client, project, iteration, target) {
  let one = await client.exportIteration(project, iteration, "ONNX");
  while (one.status === "Exporting") {
    await pause();
    [one] = await client.getExports(project, iteration);
  }
  const answer = await fetch(one.downloadUri);
  fs.writeFileSync(target, Buffer.from(await answer.arrayBuffer()));
  say("export", { status: one.status, platform: one.platform, flavor: one.flavor });
}

async function main() {
  const asked = JSON.parse(process.argv[2]);
  const header = (name, key) => new ApiKeyCredentials({ inHeader: { [name]: key } });
  const client = new TrainingAPIClient(header("Training-key", asked.trainingKey), asked.endpoint);
  const predictor = new PredictionAPIClient(header("Prediction-key", asked.predictionKey), asked.endpoint);
  const options = { domainId: asked.domain, classificationType: "Multiclass" };
  const project = await client.createProject("Flow", options);
  say("create", { name: project.name, domain: project.settings.domainId, dated: dated(project.created) });
  await fill(client, project.id, asked.photos);
  const iteration = await train(client, project.id);
  const published = await client.publishIteration(project.id, iteration.id, "the model", "a resource");
  say("publish", { answer: published.body });
  const answer = await predictor.classifyImage(project.id, "the model", fs.readFileSync(asked.ask));
  say("predict", { scores: Object.fromEntries(answer.predictions.map((one) => [one.tagName, one.probability])) });
  await exported(client, project.id, iteration.id, asked.zip);
  say("refused", { refused: await refusal(client.deleteIteration(project.id, iteration.id)) });
  await client.unpublishIteration(project.id, iteration.id);
  await client.deleteIteration(project.id, iteration.id);
  await client.deleteProject(project.id);
  say("delete", { refused: await refusal(client.getProject(project.id)) });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
