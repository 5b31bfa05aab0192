// Firefox by WebDriver BiDi, which it speaks itself: node --experimental-websocket firefox_smoke.mjs FIREFOX PROFILE TASK
// TASK is JSON: the server's address, a key, and the projects. It prints what it saw as JSON.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const PREFERENCES = ["remote.active-protocols", 1, "datareporting.policy.dataSubmissionEnabled", false, "app.update.enabled", false];
const PATIENCE_MS = 60_000;
const POLL_MS = 100;
const ENTER = "\uE007";

const [firefox, profile, task] = process.argv.slice(2);
const { base, key, grid, train, photo } = JSON.parse(task);

function writePreferences() {
  const lines = [];
  for (let at = 0; at < PREFERENCES.length; at += 2) {
    lines.push(`user_pref(${JSON.stringify(PREFERENCES[at])}, ${JSON.stringify(PREFERENCES[at + 1])});`);
  }
  writeFileSync(join(profile, "user.js"), lines.join("\n"));
}

function started() {
  const options = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
  const child = spawn(firefox, options, { stdio: ["ignore", "ignore", "pipe"] });
  const address = new Promise((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (part) => {
      said += part;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.on("exit", () => reject(new Error(`Firefox ended: ${said.slice(-2000)}`)));
  });
  return { child, address };
}

class Session {
  #socket;
  #asked = new Map();
  #last = 0;
  errors = [];

  static async at(address) {
    const session = new Session();
    session.#socket = new WebSocket(`${address}/session`);
    session.#socket.onmessage = ({ data }) => session.#hear(JSON.parse(data));
    await new Promise((resolve, reject) => {
      session.#socket.onopen = resolve;
      session.#socket.onerror = () => reject(new Error(`no session at ${address}`));
    });
    await session.ask("session.new", { capabilities: {} });
    await session.ask("session.subscribe", { events: ["log.entryAdded"] });
    session.context = (await session.ask("browsingContext.getTree", {})).contexts[0].context;
    return session;
  }

  #hear(message) {
    if (message.method === "log.entryAdded" && message.params.level === "error") this.errors.push(message.params.text);
    const asked = this.#asked.get(message.id);
    if (!asked) return;
    this.#asked.delete(message.id);
    if (message.type === "error") asked.reject(new Error(message.message));
    else asked.resolve(message.result);
  }

  ask(method, params) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  async evaluate(expression) {
    const params = { expression, target: { context: this.context }, awaitPromise: true };
    const { type, result, exceptionDetails } = await this.ask("script.evaluate", params);
    if (type === "exception") throw new Error(exceptionDetails.text);
    return result.value;
  }

  async until(expression) {
    const end = Date.now() + PATIENCE_MS;
    while (!(await this.evaluate(`Boolean(${expression})`).catch(() => false))) {
      if (Date.now() > end) throw new Error(`waited for ${expression}: ${await this.evaluate("document.body.innerText")}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async box(selector) {
    const text = await this.evaluate(
      `JSON.stringify((({ x, y, width, height }) => [x, y, width, height])(document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()))`,
    );
    return JSON.parse(text);
  }

  perform(source) {
    return this.ask("input.performActions", { context: this.context, actions: [source] });
  }

  type(text) {
    const actions = [...text].flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]);
    return this.perform({ type: "key", id: "keys", actions });
  }

  /** Press at the first point, move to the others, release. */
  drag(points) {
    const moves = points.map(([x, y]) => ({ type: "pointerMove", x: Math.round(x), y: Math.round(y), duration: 50 }));
    const [first, ...others] = moves;
    const actions = [first, { type: "pointerDown", button: 0 }, ...others, { type: "pointerUp", button: 0 }];
    return this.perform({ type: "pointer", id: "mouse", parameters: { pointerType: "mouse" }, actions });
  }

  async click(selector) {
    const [x, y, width, height] = await this.box(selector);
    await this.drag([[x + width / 2, y + height / 2]]);
  }

  open(path) {
    return this.evaluate(`void (location.hash = ${JSON.stringify(path)})`);
  }
}

async function smoke(session) {
  await session.ask("browsingContext.setViewport", { context: session.context, viewport: { width: 1280, height: 800 } });
  await session.ask("browsingContext.navigate", { context: session.context, url: `${base}/`, wait: "complete" });
  await session.until("document.querySelector('form input')");
  await session.click("form input");
  await session.type(key + ENTER);
  await session.until("document.title.startsWith('Projects')");
  await session.open(grid);
  await session.until("document.querySelector('[data-place] img')?.naturalWidth > 0");
  await session.open(train);
  await session.until("[...document.querySelectorAll('button')].some((button) => button.textContent === 'Train')");
  await session.open(photo);
  await session.until("document.querySelector('canvas')?.getBoundingClientRect().height > 100");
  await session.type("1"); // the tag of new boxes
  const before = await session.evaluate("document.querySelectorAll('[class*=_box_]').length");
  const [x, y, width, height] = await session.box("canvas");
  const at = (right, down) => [x + width * right, y + height * down];
  await session.drag([at(0.44, 0.82), at(0.47, 0.86), at(0.52, 0.95)]);
  await session.until(`document.querySelectorAll('[class*=_box_]').length === ${before} + 1`);
}

writePreferences();
const { child, address } = started();
try {
  const session = await Session.at(await address);
  await smoke(session);
  await session.until("document.body.innerText.includes('Saved')");
  console.log(JSON.stringify({ errors: session.errors }));
} finally {
  child.removeAllListeners("exit");
  child.kill();
}
process.exit(0);
