import { expect, test } from 'vitest'
import { bytesText, processorText } from './amounts'

test('amounts are short, and tell small from nothing', () => {
  const bytes = [0, 1, 1_023, 1_024, 462_848, 1_048_576, 5 * 1_024 ** 3, 3 * 1_024 ** 5]
  expect(bytes.map(bytesText)).toEqual(['0 B', '1 B', '1023 B', '1.0 KiB', '452 KiB', '1.0 MiB', '5.0 GiB', '3072 TiB'])
  const cores = [0, 0.00003, 0.0004, 0.012, 0.1, 1, 1.756]
  expect(cores.map(processorText)).toEqual(['0 %', '0 %', '0.04 %', '1.2 %', '10 %', '100 %', '176 %'])
})
