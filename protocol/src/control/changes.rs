//! What changed from one brief of an organization to the next, as far as it concerns who is connected now.

use std::collections::{BTreeMap, BTreeSet};

use super::{GatewayBrief, MemberBrief};
use crate::{
    access::{Role, effective_role},
    id::{ProjectId, UserId},
};

/// What a gateway has to act upon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BriefChanges {
    /// Who may do more or less in some project than before, or nothing any more.
    pub reseated: Vec<UserId>,
    /// Projects no longer.
    pub closed: Vec<ProjectId>,
}

impl GatewayBrief {
    /// What changed since `before`, of the same organization. New members and projects need nothing: they come by
    /// themselves. A new name is shown from the next connection on.
    pub fn changes_since(&self, before: &Self) -> BriefChanges {
        let members: BTreeMap<UserId, &MemberBrief> =
            self.members.iter().map(|member| (member.user_id, member)).collect();
        let projects: BTreeSet<ProjectId> = self.projects.iter().map(|project| project.id).collect();
        let known = before.projects.iter().map(|project| project.id);
        let (kept, closed): (Vec<_>, Vec<_>) = known.partition(|project| projects.contains(project));
        let reseated = |old: &&MemberBrief| members.get(&old.user_id).is_none_or(|new| is_reseated(old, new, &kept));
        BriefChanges { reseated: before.members.iter().filter(reseated).map(|old| old.user_id).collect(), closed }
    }
}

/// Whether the member's role is another in some project. Looks at them only if something was given or taken.
fn is_reseated(old: &MemberBrief, new: &MemberBrief, projects: &[ProjectId]) -> bool {
    let role = |member: &MemberBrief, project: &ProjectId| -> Role {
        effective_role(member.role, member.projects.get(project).copied())
    };
    (old.role, &old.projects) != (new.role, &new.projects)
        && projects.iter().any(|project| role(old, project) != role(new, project))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        access::OrgRole,
        control::{ProjectBrief, Token},
        id::{Epoch, OrgId},
    };

    const IO: ProjectId = ProjectId(Uuid::from_u128(1));
    const EUROPA: ProjectId = ProjectId(Uuid::from_u128(2));
    const ALICE: UserId = UserId(Uuid::from_u128(10));
    const BOB: UserId = UserId(Uuid::from_u128(11));

    type Members<'a> = &'a [(UserId, OrgRole, &'a [(ProjectId, Role)])];

    fn brief(projects: &[ProjectId], members: Members<'_>) -> GatewayBrief {
        GatewayBrief {
            organization_id: OrgId(Uuid::from_u128(1)),
            organization_name: String::new(),
            epoch: Epoch(1),
            version: 1,
            gateway_token: Token(String::new()),
            projects: projects.iter().map(|&id| ProjectBrief { id, name: String::new() }).collect(),
            members: members
                .iter()
                .map(|&(user_id, role, projects)| MemberBrief {
                    user_id,
                    name: String::new(),
                    role,
                    projects: projects.iter().copied().collect(),
                })
                .collect(),
            disable_shutdown: false,
            named: true,
            lease_ms: 0,
        }
    }

    #[test]
    fn only_what_concerns_the_connected_is_a_change() {
        let before =
            brief(&[IO, EUROPA], &[(ALICE, OrgRole::Owner, &[]), (BOB, OrgRole::Member, &[(IO, Role::Viewer)])]);
        let check = |projects: &[ProjectId], members: Members<'_>, expect: BriefChanges| {
            assert_eq!(brief(projects, members).changes_since(&before), expect);
        };
        let none = BriefChanges::default;
        let alice = (ALICE, OrgRole::Owner, [].as_slice());
        let bob: &[(ProjectId, Role)] = &[(IO, Role::Viewer)];
        check(&[IO, EUROPA], &[alice, (BOB, OrgRole::Member, bob)], none());
        let carol = (UserId(Uuid::from_u128(12)), OrgRole::Member, [].as_slice());
        check(&[EUROPA, IO], &[carol, (BOB, OrgRole::Member, bob), alice], none());
        check(&[IO, EUROPA], &[alice], BriefChanges { reseated: vec![BOB], ..none() });
        check(&[EUROPA], &[alice, (BOB, OrgRole::Member, bob)], BriefChanges { closed: vec![IO], ..none() });
        // An editor unless the project says otherwise.
        let given = |projects, reseated| {
            check(&[IO, EUROPA], &[alice, (BOB, OrgRole::Member, projects)], BriefChanges { reseated, ..none() });
        };
        given(&[], vec![BOB]);
        given(&[(IO, Role::Viewer), (EUROPA, Role::Editor)], vec![]);
        given(&[(IO, Role::Editor), (EUROPA, Role::Viewer)], vec![BOB]);
        let reseated = vec![BOB];
        check(&[IO, EUROPA], &[alice, (BOB, OrgRole::Admin, bob)], BriefChanges { reseated, ..none() });
        // An owner who becomes an admin may do the same in projects.
        check(&[IO, EUROPA], &[(ALICE, OrgRole::Admin, &[]), (BOB, OrgRole::Member, bob)], none());
    }
}
