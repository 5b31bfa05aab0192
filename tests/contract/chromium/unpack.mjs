// node unpack.mjs: unpack Chromium into this folder, with the libraries that a bare system lacks.
import { rm } from "node:fs/promises";

process.env.TMPDIR = process.cwd(); // the package unpacks there
process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs22.x"; // the libraries are unpacked in this environment alone
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
await rm("node_modules", { recursive: true });
