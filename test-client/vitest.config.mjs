import { defineConfig } from 'vitest/config'

// The mode, test unless --mode says another, chooses the server: see server.mjs.
export default defineConfig(({ mode }) => ({
  test: {
    include: ['tests/**/*.test.mjs', 'quickstart/**/*.test.mjs'],
    globalSetup: './server.mjs',
    provide: { mode },
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
}))
