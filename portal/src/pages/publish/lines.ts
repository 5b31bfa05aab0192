/** Ready lines that ask a published model, in several languages. */
export interface Published {
  /** Of the server, without a slash at its end. */
  server: string;
  project: string;
  name: string;
  isDetection: boolean;
  /** Whether the photo is not kept under Predictions. */
  nostore: boolean;
  /** A prediction key, or what stands for one. */
  key: string;
}

export const LANGUAGES = ["curl", "python", "sdk", "javascript", "csharp"] as const;
export type Language = (typeof LANGUAGES)[number];
export type Source = "file" | "url";

/** A photo of which everybody knows that it must be replaced. */
const PHOTO = "photo.jpg";
export const EXAMPLE_URL = "https://example.com/photo.jpg";
const VERBS = { classify: "classify_image", detect: "detect_image" } as const;

/** The address that takes a photo, or the address of one. */
export function addressOf(published: Published, source: Source): string {
  const { server, project, name, nostore } = published;
  const what = source === "file" ? "image" : "url";
  const path = `iterations/${encoded(name)}/${what}${nostore ? "/nostore" : ""}`;
  return `${server}/customvision/v3.0/Prediction/${project}/${verbOf(published)}/${path}`;
}

/** A whole program or command. */
export function linesOf(language: Language, published: Published, source: Source): string {
  return WRITERS[language](published, source);
}

type Writer = (published: Published, source: Source) => string;

function curl(published: Published, source: Source): string {
  const body =
    source === "file"
      ? [`-H "Content-Type: application/octet-stream"`, `--data-binary @${PHOTO}`]
      : [`-H "Content-Type: application/json"`, `-d '{"url": "${EXAMPLE_URL}"}'`];
  const parts = [`curl -X POST "${addressOf(published, source)}"`, `-H "Prediction-Key: ${published.key}"`, ...body];
  return parts.join(" \\\n  ");
}

function python(published: Published, source: Source): string {
  const address = quoted(addressOf(published, source));
  const headers = `{"Prediction-Key": ${quoted(published.key)}, "Content-Type": "application/octet-stream"}`;
  const asked =
    source === "file"
      ? [
          `with open(${quoted(PHOTO)}, "rb") as photo:`,
          `    answer = requests.post(`,
          `        ${address},`,
          `        headers=${headers},`,
          `        data=photo,`,
          `        timeout=60,`,
          `    )`,
        ]
      : [
          `answer = requests.post(`,
          `    ${address},`,
          `    headers={"Prediction-Key": ${quoted(published.key)}},`,
          `    json={"url": ${quoted(EXAMPLE_URL)}},`,
          `    timeout=60,`,
          `)`,
        ];
  const shown = published.isDetection
    ? `    print(found["tagName"], found["probability"], found["boundingBox"])`
    : `    print(found["tagName"], found["probability"])`;
  return [
    `import requests  # pip install requests`,
    ``,
    ...asked,
    `answer.raise_for_status()`,
    `for found in answer.json()["predictions"]:`,
    shown,
  ].join("\n");
}

function sdk(published: Published, source: Source): string {
  const call = VERBS[verbOf(published)] + (source === "url" ? "_url" : "") + (published.nostore ? "_with_no_store" : "");
  const names = `${quoted(published.project)}, ${quoted(published.name)}`;
  const asked =
    source === "file"
      ? [`with open(${quoted(PHOTO)}, "rb") as photo:`, `    answer = client.${call}(${names}, photo.read())`]
      : [`answer = client.${call}(${names}, ${quoted(EXAMPLE_URL)})`];
  const shown = published.isDetection
    ? `    print(found.tag_name, found.probability, found.bounding_box)`
    : `    print(found.tag_name, found.probability)`;
  return [
    `# pip install azure-cognitiveservices-vision-customvision`,
    `from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient`,
    `from msrest.authentication import ApiKeyCredentials`,
    ``,
    `credentials = ApiKeyCredentials(in_headers={"Prediction-key": ${quoted(published.key)}})`,
    `client = CustomVisionPredictionClient(${quoted(published.server)}, credentials)`,
    ...asked,
    `for found in answer.predictions:`,
    shown,
  ].join("\n");
}

function javascript(published: Published, source: Source): string {
  const isFile = source === "file";
  const type = isFile ? "application/octet-stream" : "application/json";
  const body = isFile ? `await readFile(${quoted(PHOTO)})` : `JSON.stringify({ url: ${quoted(EXAMPLE_URL)} })`;
  const shown = published.isDetection ? ", found.boundingBox" : "";
  return [
    `// Save as ask.mjs and run: node ask.mjs`,
    ...(isFile ? [`import { readFile } from "node:fs/promises";`, ``] : []),
    `const answer = await fetch(${quoted(addressOf(published, source))}, {`,
    `  method: "POST",`,
    `  headers: { "Prediction-Key": ${quoted(published.key)}, "Content-Type": ${quoted(type)} },`,
    `  body: ${body},`,
    `});`,
    `if (!answer.ok) throw new Error(await answer.text());`,
    `for (const found of (await answer.json()).predictions) {`,
    `  console.log(found.tagName, found.probability${shown});`,
    `}`,
  ].join("\n");
}

function csharp(published: Published, source: Source): string {
  const isFile = source === "file";
  const content = isFile
    ? [
        `using var content = new ByteArrayContent(await File.ReadAllBytesAsync(${quoted(PHOTO)}));`,
        `content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");`,
      ]
    : [`using var content = JsonContent.Create(new { url = ${quoted(EXAMPLE_URL)} });`];
  const shown = published.isDetection
    ? `    Console.WriteLine($"{found.GetProperty("tagName")} {found.GetProperty("probability")} {found.GetProperty("boundingBox")}");`
    : `    Console.WriteLine($"{found.GetProperty("tagName")} {found.GetProperty("probability")}");`;
  return [
    `// Program.cs of a console project: .NET 8 or later`,
    isFile ? `using System.Net.Http.Headers;` : `using System.Net.Http.Json;`,
    `using System.Text.Json;`,
    ``,
    `using var client = new HttpClient();`,
    `client.DefaultRequestHeaders.Add("Prediction-Key", ${quoted(published.key)});`,
    ...content,
    `var answer = await client.PostAsync(${quoted(addressOf(published, source))}, content);`,
    `answer.EnsureSuccessStatusCode();`,
    `using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());`,
    `foreach (var found in json.RootElement.GetProperty("predictions").EnumerateArray())`,
    `{`,
    shown,
    `}`,
  ].join("\n");
}

const WRITERS: Record<Language, Writer> = { curl, python, sdk, javascript, csharp };

function verbOf(published: Published): keyof typeof VERBS {
  return published.isDetection ? "detect" : "classify";
}

/** A part of a path, safe within quotes of a shell too. */
function encoded(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A text in double quotes, as Python, JavaScript and C# all read it. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
