import { defineConfig } from "vite";

// The same files whoever builds: `cargo xtask ci` compares them with those that are committed.
export default defineConfig({
  // the library's licence goes with it
  esbuild: { legalComments: "inline" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 200,
    rollupOptions: {
      output: {
        banner: "/*! with uPlot, (c) Leon Sorokin, MIT licence: https://github.com/leeoniya/uPlot */",
        entryFileNames: "assets/page.js",
        assetFileNames: "assets/page[extname]",
      },
    },
  },
  server: {
    proxy: { "/v1": "http://127.0.0.1:8000" },
  },
});
