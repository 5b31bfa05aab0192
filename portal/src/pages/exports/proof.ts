/** What `verification.json` says, in words; fields that a kind of export lacks are left out. */
import { texts } from "@/texts";

type Document = Record<string, unknown>;

export interface Proof {
  summary: string;
  bytes: number | null;
  facts: [label: string, value: string][];
}

export function proofOf(document: Document): Proof {
  const said = texts.exports;
  const number = (name: string): number | null => numberOf(document[name]);
  const images = number("images");
  const largest = number("largestDifference");
  const agreement = number("topTagAgreement");
  const boxes = number("boxes");
  const overlap = number("lowestOverlap");
  const bytes = number("bytes");
  const time = number("millisecondsPerImage");
  const limit = objectOf(document["limit"]);
  const allowed = numberOf(limit["difference"]);
  const facts: (readonly [string, string | null])[] = [
    [said.photos, images === null ? null : texts.common.number(images)],
    [said.largest, largest === null ? null : said.upTo(largest, allowed)],
    [said.agreement, agreement === null ? null : said.onPhotos(agreement)],
    [said.boxes, boxes === null ? null : said.matched(boxes - (number("boxesReplaced") ?? 0), boxes)],
    [said.overlap, boxes === null || overlap === null ? null : texts.common.percent(overlap, 1)],
    ...accuracyOf(objectOf(document["accuracy"]), numberOf(limit["accuracy"])),
    [said.fileSize, bytes === null ? null : said.size(bytes)],
    [said.time, time === null ? null : said.timeWith(time, String(document["runtime"] ?? ""))],
    [said.versions, Object.entries(objectOf(document["versions"])).map((pair) => pair.join(" ")).join(", ") || null],
  ];
  return {
    summary: (allowed === null ? said.lossy : said.checked)(images ?? 0),
    bytes,
    facts: facts.flatMap(([label, value]) => (value === null ? [] : [[label, value] as [string, string]])),
  };
}

function accuracyOf(accuracy: Document, loss: number | null): (readonly [string, string | null])[] {
  const said = texts.exports;
  const model = numberOf(accuracy["trainedModel"]);
  const file = numberOf(accuracy["artefact"]);
  if (model === null || file === null) return [];
  const judged = said.judgedOn[String(accuracy["of"])]?.(numberOf(accuracy["images"]) ?? 0) ?? null;
  const label = accuracy["figure"] === undefined ? said.accuracy : said.meanPrecision;
  return [
    [label, said.before(model, file, loss)],
    [said.accuracyOn, judged],
  ];
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function objectOf(value: unknown): Document {
  return typeof value === "object" && value !== null ? (value as Document) : {};
}
