import js from '@eslint/js'
import globals from 'globals'

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: globals.node },
    // Two draws from a generator are two conditions, however alike they look.
    rules: { 'no-dupe-else-if': 'off' },
  },
  // Parts of these run inside of a page.
  { files: ['tests/browser/**'], languageOptions: { globals: globals.browser } },
]
