import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import type { ProxyOptions } from 'vite'
import { clean } from './build/clean.ts'
import { fontLicenses } from './build/licenses.ts'
import { precompress } from './build/precompress.ts'
import { preload } from './build/preload.ts'

// `npm run dev` shows the sources as they are; everything else comes from a running Orrery.
const orrery = process.env.ORRERY_URL ?? 'http://127.0.0.1:7000'
const api: ProxyOptions = { target: orrery, ws: true }
// Pages and the API share these paths; only browsers that open a page ask for HTML.
const pages = (path: string): ProxyOptions => ({
  ...api,
  bypass: (request) => (request.headers.accept?.includes('text/html') ? path : undefined),
})

export default defineConfig({
  plugins: [react(), clean(), fontLicenses(), preload(), precompress()],
  build: {
    target: 'es2022',
    // The oldest that know `light-dark()`: a polyfill would write every colour twice.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    license: { fileName: 'assets/packages.md' },
    emptyOutDir: false,
    // A data URL would need an exception in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: { '/api': api, '/gateway': api, '/gate': api, '/-/': api, '/projects': pages('/index.html') },
  },
  // A test that needs a document begins with `// @vitest-environment jsdom`.
  test: {
    environment: 'node',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['build/test-setup.ts'],
    restoreMocks: true,
    // Nothing here measures time: a busy machine may take its own.
    testTimeout: 60_000,
  },
})
