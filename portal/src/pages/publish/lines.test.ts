import { describe, expect, it } from "vitest";

import { LANGUAGES, type Published, type Source, addressOf, linesOf } from "./lines";

const asked: Published = {
  server: "https://dahlia.example",
  project: "56f43cde-3cbe-413c-aa3a-9ba5710a8be8",
  name: `shop's "best" 2/3`,
  isDetection: false,
  nostore: false,
  key: "KEY",
};
const SOURCES: readonly Source[] = ["file", "url"];

it("writes the addresses of the prediction API", () => {
  const path = "https://dahlia.example/customvision/v3.0/Prediction/56f43cde-3cbe-413c-aa3a-9ba5710a8be8";
  const name = "iterations/shop%27s%20%22best%22%202%2F3";
  expect(addressOf(asked, "file")).toBe(`${path}/classify/${name}/image`);
  expect(addressOf({ ...asked, nostore: true }, "url")).toBe(`${path}/classify/${name}/url/nostore`);
  expect(addressOf({ ...asked, isDetection: true }, "file")).toBe(`${path}/detect/${name}/image`);
});

describe.each(LANGUAGES)("%s", (language) => {
  it.each(SOURCES)("names server, key and photo, for a %s", (source) => {
    const lines = linesOf(language, asked, source);
    expect(lines).toContain("https://dahlia.example");
    expect(lines).toContain("KEY");
    expect(lines).toContain("photo.jpg");
  });
});

it("writes C# whose brackets and quotes close", () => {
  for (const isDetection of [false, true]) {
    for (const source of SOURCES) {
      const code = linesOf("csharp", { ...asked, isDetection }, source).replace(/^\/\/.*$/gm, "");
      const bare = code.replace(/\$"(?:\{[^}]*\}|[^"{}])*"/g, "text").replace(/"(?:\\.|[^"\\\n])*"/g, "text");
      expect(bare).not.toContain('"');
      const open: string[] = [];
      for (const sign of bare) {
        if ("({[".includes(sign)) open.push(sign);
        if (")}]".includes(sign)) expect(open.pop()).toBe("({["[")}]".indexOf(sign)]);
      }
      expect(open).toEqual([]);
      for (const line of bare.split("\n")) expect(line.trim()).toMatch(/^$|[;{}]$|^foreach \(.*\)$/);
    }
  }
});
