/** Findings of the same kind belong together: a hundred small photos are one thing to know. */
import type { Schemas } from "@/api/client";

type Finding = Schemas["Finding"];

export interface FindingGroup {
  code: string;
  severity: Finding["severity"];
  findings: Finding[];
  /** Of the first: the others expect the same. */
  expected: string;
  /** Each once. */
  tags: string[];
  /** Each once. */
  images: Schemas["ReportedFile"][];
}

const ORDER: readonly Finding["severity"][] = ["error", "warning", "advice"];

/** The most severe first, in the order of the report. */
export function grouped(findings: readonly Finding[]): FindingGroup[] {
  const groups = new Map<string, FindingGroup>();
  for (const finding of findings) {
    const { code, severity, expected, images, tags } = finding;
    const key = `${severity} ${code}`;
    const group = groups.get(key) ?? { code, severity, findings: [], expected, tags: [], images: [] };
    group.findings.push(finding);
    group.tags.push(...tags.filter((tag) => !group.tags.includes(tag)));
    for (const image of images) {
      if (!group.images.some(({ name }) => name === image.name)) group.images.push(image);
    }
    groups.set(key, group);
  }
  return [...groups.values()].sort((one, other) => ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity));
}
