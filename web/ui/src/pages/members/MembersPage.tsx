import { useCallback } from 'react'
import { members, type Member, type User } from '../../api'
import { useResource, useWhileVisible } from '../../resource'
import { Loading } from '../../resource/Loading'
import { OrgFrame } from '../org/OrgFrame'
import { managesMembers } from '../roles'
import { AddMember } from './AddMember'
import { MemberList } from './MemberList'

/** How often the list is asked for again: others add and remove members too. */
const refreshMs = 15_000

/** Who belongs to an organization, and as what. */
export default function MembersPage({ id, user }: { id: string; user: User }) {
  const load = useCallback((signal: AbortSignal) => members.list(id, signal), [id])
  const loaded = useResource(load)
  // Who was added may stand in an answer that came in between.
  const take = (member: Member) =>
    loaded.replace((list) => [...list.filter(({ user }) => user.id !== member.user.id), member])
  useWhileVisible(loaded.refresh, refreshMs)
  return (
    <OrgFrame id={id} here="members">
      {(org) => (
        <>
          {managesMembers(org.role) && <AddMember org={org} onAdded={take} />}
          <Loading of={loaded} label="Looking up its members">
            {(list) => <MemberList org={org} user={user} members={list} onChange={loaded.replace} />}
          </Loading>
        </>
      )}
    </OrgFrame>
  )
}
