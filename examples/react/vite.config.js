import { defineConfig } from "vite"
import { token } from "./shop.js"

// The shop's own server, played by Vite: it alone has the shop's token.
const shop = {
  name: "shop",
  configureServer: ({ middlewares }) => { middlewares.use("/photo-token", token) },
  configurePreviewServer: ({ middlewares }) => { middlewares.use("/photo-token", token) },
}

export default defineConfig({ plugins: [shop], esbuild: { jsx: "automatic" } })
