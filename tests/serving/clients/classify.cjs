// node classify.cjs '{"endpoint", "project", "name", "photo": base64, "url", "key"}': a line of JSON per call.
const { createRequire } = require("node:module");
const path = require("node:path");

const load = createRequire(path.join(process.cwd(), "package.json"));
const { PredictionAPIClient } = load("@azure/cognitiveservices-customvision-prediction");
const { ApiKeyCredentials } = load("@azure/ms-rest-js");

async function main() {
  const asked = JSON.parse(process.argv[2]);
  const credentials = new ApiKeyCredentials({ inHeader: { "Prediction-key": asked.key } });
  const client = new PredictionAPIClient(credentials, asked.endpoint);
  const photo = Buffer.from(asked.photo, "base64");
  for (const task of ["classify", "detect"]) {
    for (const store of ["", "WithNoStore"]) {
      for (const [what, image] of [["Image", photo], ["ImageUrl", { url: asked.url }]]) {
        const call = task + what + store;
        try {
          const answer = await client[call](asked.project, asked.name, image, { application: "tests" });
          const tag = answer.predictions[0].tagName;
          console.log(JSON.stringify({ call, tag, date: answer.created instanceof Date }));
        } catch (error) {
          console.log(JSON.stringify({ call, status: error.statusCode, code: error.code, text: error.message }));
        }
      }
    }
  }
}

main();
