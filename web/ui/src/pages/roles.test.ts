import { expect, test } from 'vitest'
import { managesMembers, mayChange, orgRoles } from './roles'

test('only owners make and unmake owners, and members change nobody', () => {
  for (const from of orgRoles) {
    for (const to of orgRoles) {
      expect(mayChange('owner', from, to)).toBe(true)
      expect(mayChange('admin', from, to)).toBe(from !== 'owner' && to !== 'owner')
      expect(mayChange('member', from, to)).toBe(false)
    }
  }
  expect(orgRoles.map(managesMembers)).toEqual([false, true, true])
})
