import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const SERVER = process.env["DAHLIA_URL"] ?? "http://127.0.0.1:3000";

export default defineConfig({
  base: "/portal/",
  plugins: [react()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: { target: "es2022", manifest: true, reportCompressedSize: false },
  server: { host: "127.0.0.1", proxy: { "^/(customvision|dahlia|files|docs|openapi.json|assets)": SERVER } },
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"], maxWorkers: 1 },
});
