//! Organizations and who belongs to them.

use orrery_ganymede::orgs::{
    AddMemberError, ChangeMemberError, CreateOrgError, MEMBERS_MAX, OWNED_ORGS_MAX, RenameOrgError,
};
use orrery_protocol::{
    access::{OrgRole, Role},
    id::{OrgId, UserId},
};
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::{START_MS, World, address, at_once},
};

on_both!(
    who_makes_an_organization_owns_it,
    only_members_see_an_organization,
    members_come_change_and_go,
    the_last_owner_stays,
    of_two_owners_who_leave_at_once_one_stays,
    somebody_added_twice_at_once_is_one_member,
    every_change_makes_the_version_greater,
    a_refused_change_leaves_the_version,
    nobody_owns_more_than_a_hundred_organizations,
    an_organization_has_at_most_a_thousand_members,
    changes_at_once_never_deadlock,
    bad_names_are_refused,
);

const NOWHERE: OrgId = OrgId(Uuid::from_u128(1));
const NOBODY: UserId = UserId(Uuid::from_u128(2));

async fn who_makes_an_organization_owns_it(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    assert_eq!((org.name.as_str(), org.version, org.created_at_ms), ("alice's", 1, START_MS));
    assert_eq!(world.orgs.org(org.id).await.unwrap(), Some(org.clone()));
    assert_eq!(world.orgs.of(alice.id).await.unwrap(), [(org.clone(), OrgRole::Owner)]);
    let members = world.orgs.members(org.id).await.unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!(
        (members[0].user, members[0].role, members[0].email.as_str()),
        (alice.id, OrgRole::Owner, "alice@example.com")
    );
    assert!(matches!(world.orgs.create(START_MS, NOBODY, "x").await, Err(CreateOrgError::NoSuchUser)));
}

async fn only_members_see_an_organization(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let (bob, other) = world.owner("bob").await;
    assert_eq!(world.orgs.role(org.id, alice.id).await.unwrap(), Some(OrgRole::Owner));
    for (org, user) in [(org.id, bob.id), (other.id, alice.id), (NOWHERE, alice.id), (org.id, NOBODY)] {
        assert_eq!(world.orgs.role(org, user).await.unwrap(), None);
        assert_eq!(world.orgs.member(org, user).await.unwrap(), None);
    }
    assert_eq!(world.orgs.of(bob.id).await.unwrap(), [(other, OrgRole::Owner)]);
    assert_eq!(world.orgs.members(NOWHERE).await.unwrap(), []);
}

async fn members_come_change_and_go(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let bob = world.person("bob").await;
    let added = world.orgs.add_member(START_MS + 1, org.id, " Bob@Example.com", OrgRole::Member).await.unwrap();
    assert_eq!((added.user, added.role, added.added_at_ms), (bob.id, OrgRole::Member, START_MS + 1));
    assert_eq!(world.orgs.member(org.id, bob.id).await.unwrap().as_ref(), Some(&added));
    let users: Vec<_> = world.orgs.members(org.id).await.unwrap().into_iter().map(|member| member.user).collect();
    assert_eq!(users, [alice.id, bob.id]);

    let again = world.orgs.add_member(START_MS + 2, org.id, &bob.email, OrgRole::Admin).await;
    assert!(matches!(again, Err(AddMemberError::AlreadyMember)));
    assert_eq!(world.orgs.role(org.id, bob.id).await.unwrap(), Some(OrgRole::Member), "as it was");
    for (org, email) in [(NOWHERE, bob.email.as_str()), (org.id, "carol@example.com"), (org.id, "no address")] {
        let refused = world.orgs.add_member(START_MS, org, email, OrgRole::Member).await.unwrap_err();
        let expected = if org == NOWHERE {
            "there is no such organization"
        } else {
            "nobody with this e-mail address has an account"
        };
        assert_eq!(refused.to_string(), expected);
    }

    world.orgs.set_role(org.id, bob.id, OrgRole::Admin).await.unwrap();
    assert_eq!(world.orgs.of(bob.id).await.unwrap()[0].1, OrgRole::Admin);
    world.orgs.remove_member(org.id, bob.id).await.unwrap();
    assert_eq!(world.orgs.of(bob.id).await.unwrap(), []);
    for refused in [
        world.orgs.remove_member(org.id, bob.id).await,
        world.orgs.set_role(org.id, bob.id, OrgRole::Member).await,
        world.orgs.remove_member(NOWHERE, alice.id).await,
    ] {
        assert!(matches!(refused, Err(ChangeMemberError::NoSuchMember)), "{refused:?}");
    }
}

async fn the_last_owner_stays(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let bob = world.person("bob").await;
    world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Admin).await.unwrap();
    for refused in [
        world.orgs.remove_member(org.id, alice.id).await,
        world.orgs.set_role(org.id, alice.id, OrgRole::Admin).await,
        world.orgs.set_role(org.id, alice.id, OrgRole::Member).await,
    ] {
        assert!(matches!(refused, Err(ChangeMemberError::LastOwner)), "{refused:?}");
    }
    world.orgs.set_role(org.id, alice.id, OrgRole::Owner).await.unwrap();
    world.orgs.set_role(org.id, bob.id, OrgRole::Owner).await.unwrap();
    world.orgs.remove_member(org.id, alice.id).await.unwrap();
    assert_eq!(world.orgs.role(org.id, bob.id).await.unwrap(), Some(OrgRole::Owner));
}

async fn of_two_owners_who_leave_at_once_one_stays(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    // Often enough for the two to meet.
    for n in 0..10 {
        let org = world.orgs.create(START_MS, alice.id, &format!("org {n}")).await.unwrap();
        world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Owner).await.unwrap();
        let left = at_once([alice.id, bob.id].map(|user| {
            let orgs = world.orgs.clone();
            async move { orgs.remove_member(org.id, user).await }
        }));
        let (gone, stays): (Vec<_>, Vec<_>) = left.await.into_iter().partition(Result::is_ok);
        assert_eq!(gone.len(), 1);
        assert!(matches!(stays[0], Err(ChangeMemberError::LastOwner)), "{stays:?}");
        let members = world.orgs.members(org.id).await.unwrap();
        assert_eq!(members.iter().map(|member| member.role).collect::<Vec<_>>(), [OrgRole::Owner]);
    }
}

async fn somebody_added_twice_at_once_is_one_member(scratch: Scratch) {
    let world = World::new(&scratch);
    let (_, org) = world.owner("alice").await;
    world.person("bob").await;
    let added = at_once((0..8).map(|_| {
        let orgs = world.orgs.clone();
        async move { orgs.add_member(START_MS, org.id, &address("bob"), OrgRole::Member).await }
    }));
    let (added, refused): (Vec<_>, Vec<_>) = added.await.into_iter().partition(Result::is_ok);
    assert_eq!(added.len(), 1);
    assert!(refused.iter().all(|refused| matches!(refused, Err(AddMemberError::AlreadyMember))), "{refused:?}");
    assert_eq!(world.orgs.members(org.id).await.unwrap().len(), 2);
}

async fn every_change_makes_the_version_greater(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let bob = world.person("bob").await;
    let project = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    assert_eq!(version(&world, org.id).await, 2, "a project");
    world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Member).await.unwrap();
    assert_eq!(version(&world, org.id).await, 3, "a member");
    world.orgs.set_project_role(project.id, bob.id, Some(Role::Viewer)).await.unwrap();
    assert_eq!(version(&world, org.id).await, 4, "a role in a project");
    world.orgs.set_project_role(project.id, bob.id, None).await.unwrap();
    assert_eq!(version(&world, org.id).await, 5, "no role in a project");
    world.orgs.set_role(org.id, bob.id, OrgRole::Admin).await.unwrap();
    assert_eq!(version(&world, org.id).await, 6, "a role");
    world.orgs.remove_member(org.id, bob.id).await.unwrap();
    assert_eq!(version(&world, org.id).await, 7, "a member less");
    world.orgs.rename_project(project.id, "Europa").await.unwrap();
    assert_eq!(version(&world, org.id).await, 8, "a project's name");
    world.orgs.delete_project(project.id).await.unwrap();
    assert_eq!(version(&world, org.id).await, 9, "a project less");
    world.orgs.rename(org.id, "Moons").await.unwrap();
    assert_eq!(version(&world, org.id).await, 10, "a name");
}

async fn a_refused_change_leaves_the_version(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    assert!(world.orgs.remove_member(org.id, alice.id).await.is_err());
    assert!(world.orgs.add_member(START_MS, org.id, &alice.email, OrgRole::Member).await.is_err());
    assert!(world.orgs.create_project(START_MS, org.id, NOBODY, "Io").await.is_err());
    assert_eq!(version(&world, org.id).await, 1);
}

async fn nobody_owns_more_than_a_hundred_organizations(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let all = at_once((0..OWNED_ORGS_MAX + 4).map(|n| {
        let orgs = world.orgs.clone();
        async move { orgs.create(START_MS, alice.id, &format!("org {n}")).await }
    }));
    let (made, refused): (Vec<_>, Vec<_>) = all.await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (100, 4));
    assert!(refused.iter().all(|refused| matches!(refused, Err(CreateOrgError::TooManyOrgs))), "{refused:?}");

    let org = world.orgs.create(START_MS, bob.id, "Bob's").await.unwrap();
    let owner = world.orgs.add_member(START_MS, org.id, &alice.email, OrgRole::Owner).await;
    assert!(matches!(owner, Err(AddMemberError::TooManyOrgs)), "{owner:?}");
    world.orgs.add_member(START_MS, org.id, &alice.email, OrgRole::Admin).await.unwrap();
    let owner = world.orgs.set_role(org.id, alice.id, OrgRole::Owner).await;
    assert!(matches!(owner, Err(ChangeMemberError::TooManyOrgs)), "{owner:?}");
}

async fn an_organization_has_at_most_a_thousand_members(scratch: Scratch) {
    let world = World::new(&scratch);
    let (_, org) = world.owner("alice").await;
    world.person("bob").await;
    world.person("carol").await;
    let mut tx = scratch.database.begin().await.unwrap();
    for n in 0..MEMBERS_MAX - 2 {
        let id = UserId(Uuid::from_u128(u128::from(n) + 10)).to_string();
        let user =
            "INSERT INTO users (id, email, name, password, administrator, created_at) VALUES ($1, $1, 'x', '', 0, 0)";
        sqlx::query(user).bind(&id).execute(&mut *tx).await.unwrap();
        let member = "INSERT INTO org_members (org_id, user_id, role, added_at) VALUES ($1, $2, 'member', 0)";
        sqlx::query(member).bind(org.id.to_string()).bind(&id).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    world.orgs.add_member(START_MS, org.id, &address("bob"), OrgRole::Member).await.unwrap();
    let refused = world.orgs.add_member(START_MS, org.id, &address("carol"), OrgRole::Member).await;
    assert!(matches!(refused, Err(AddMemberError::TooManyMembers)), "{refused:?}");
    assert_eq!(world.orgs.members(org.id).await.unwrap().len(), 1_000);
}

/// The same people in two organizations, everything about them changed at once, in both directions.
async fn changes_at_once_never_deadlock(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, one) = world.owner("alice").await;
    let (bob, other) = world.owner("bob").await;
    let changes = (0..60).map(|n| {
        let (orgs, people) = (world.orgs.clone(), world.people.clone());
        let (org, user) = if n % 2 == 0 { (one.id, bob.clone()) } else { (other.id, alice.clone()) };
        async move {
            let failed = match n % 6 {
                0 | 1 => orgs.add_member(START_MS, org, &user.email, OrgRole::Owner).await.err().map(|e| e.to_string()),
                2 | 3 => orgs.remove_member(org, user.id).await.err().map(|e| e.to_string()),
                4 => orgs.create(START_MS, user.id, "another").await.err().map(|e| e.to_string()),
                _ => people.open_session(START_MS, user.id).await.err().map(|e| e.to_string()),
            };
            let refusals = ["they are a member already", "there is no such member"];
            failed.filter(|error| !refusals.contains(&error.as_str()))
        }
    });
    let failed: Vec<_> = at_once(changes).await.into_iter().flatten().collect();
    assert_eq!(failed, Vec::<String>::new());
}

async fn bad_names_are_refused(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    for bad in ["", "a\nb", &"a".repeat(81)] {
        assert!(matches!(world.orgs.create(START_MS, alice.id, bad).await, Err(CreateOrgError::Invalid(_))));
        assert!(matches!(world.orgs.rename(org.id, bad).await, Err(RenameOrgError::Invalid(_))));
    }
    assert_eq!(world.orgs.rename(org.id, " Moons ").await.unwrap().unwrap().name, "Moons");
    assert_eq!(world.orgs.rename(NOWHERE, "Moons").await.unwrap(), None);
}

async fn version(world: &World, org: OrgId) -> u64 {
    world.orgs.org(org).await.unwrap().unwrap().version
}
