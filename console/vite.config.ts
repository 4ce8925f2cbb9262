import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// The service that `npm run dev` speaks to: `make demo` in another terminal.
const service = "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [vue()],
  base: "./",
  build: { outDir: "../api/static", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
  server: { proxy: { "/api": { target: service, ws: true } } },
});
