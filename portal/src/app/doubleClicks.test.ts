// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ignoreDoubleClicks } from "./doubleClicks";

const heard = vi.fn<(id: string) => void>();
let end: () => void;

beforeEach(() => {
  document.body.innerHTML =
    '<form><button class="mantine-Button-root" id="send" type="submit"><span id="label">Send</span></button></form>' +
    '<button class="mantine-Button-root" id="undo" data-repeatable="true">Undo</button>' +
    '<button id="zoom" type="button">+</button><form><button id="plus" type="submit">+</button></form>';
  heard.mockReset();
  document.addEventListener("submit", (event) => event.preventDefault());
  for (const element of document.querySelectorAll("button, form")) {
    element.addEventListener(element.localName === "form" ? "submit" : "click", () => heard(element.id || "submit"));
  }
  end = ignoreDoubleClicks(document);
});
afterEach(() => end());

function doubleClick(id: string): void {
  for (const detail of [1, 2]) {
    document.getElementById(id)?.dispatchEvent(new MouseEvent("click", { detail, bubbles: true, cancelable: true }));
  }
}

test("a double click on a button clicks and submits once", () => {
  doubleClick("label");
  expect(heard.mock.calls.flat()).toEqual(["send", "submit"]);
  heard.mockReset();
  doubleClick("plus");
  expect(heard.mock.calls.flat()).toEqual(["plus", "submit"]);
});

test("buttons that may be clicked quickly, and all that is no text button, hear each click", () => {
  doubleClick("undo");
  doubleClick("zoom");
  expect(heard.mock.calls.flat()).toEqual(["undo", "undo", "zoom", "zoom"]);
});

test("clicks by the keyboard count each time", () => {
  for (let press = 0; press < 2; press += 1) document.getElementById("undo")?.click();
  document.getElementById("send")?.click();
  document.getElementById("send")?.click();
  expect(heard.mock.calls.flat().filter((id) => id === "send")).toHaveLength(2);
});
