//! Projects, roles in them, and what a gateway is told.

use orrery_ganymede::orgs::{CreateProjectError, PROJECTS_MAX, ProjectRoleError};
use orrery_protocol::{
    access::{OrgRole, Role},
    control::Deleted,
    id::{OrgId, ProjectId, UserId},
};
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::{START_MS, World},
};

on_both!(
    a_member_makes_a_project_and_is_its_admin,
    only_members_see_a_project,
    a_role_in_a_project_counts_there_only,
    a_role_in_a_project_ends_with_the_membership,
    a_project_remembers_when_it_was_used,
    a_deleted_project_is_gone,
    an_organization_has_at_most_a_thousand_projects,
    a_brief_says_who_may_do_what,
);

const NOWHERE: ProjectId = ProjectId(Uuid::from_u128(1));
const NOBODY: UserId = UserId(Uuid::from_u128(2));

async fn a_member_makes_a_project_and_is_its_admin(scratch: Scratch) {
    let world = World::new(&scratch);
    let (_, org) = world.owner("alice").await;
    let bob = world.person("bob").await;
    let refused = world.orgs.create_project(START_MS, org.id, bob.id, "Io").await;
    assert!(matches!(refused, Err(CreateProjectError::NoSuchOrg)), "Bob sees no such organization");
    let refused = world.orgs.create_project(START_MS, OrgId(Uuid::from_u128(3)), bob.id, "Io").await;
    assert!(matches!(refused, Err(CreateProjectError::NoSuchOrg)), "there is none");

    world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Member).await.unwrap();
    let refused = world.orgs.create_project(START_MS, org.id, bob.id, "\n").await;
    assert!(matches!(refused, Err(CreateProjectError::Invalid(_))));
    let project = world.orgs.create_project(START_MS, org.id, bob.id, " Io ").await.unwrap();
    assert_eq!(
        (project.name.as_str(), project.org, project.active, project.last_started_at_ms),
        ("Io", org.id, false, None)
    );
    assert_eq!(world.orgs.project(project.id).await.unwrap(), Some(project.clone()));
    assert_eq!(world.orgs.projects(org.id).await.unwrap(), std::slice::from_ref(&project));
    let access = world.orgs.access(bob.id, project.id).await.unwrap().unwrap();
    assert_eq!((access.project, access.org_role, access.role), (project.clone(), OrgRole::Member, Role::Admin));
    assert_eq!(world.orgs.rename_project(project.id, "Europa").await.unwrap().unwrap().name, "Europa");
}

async fn only_members_see_a_project(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let (bob, _) = world.owner("bob").await;
    let project = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    for (user, project) in [(bob.id, project.id), (alice.id, NOWHERE), (NOBODY, project.id)] {
        assert_eq!(world.orgs.access(user, project).await.unwrap(), None);
    }
    assert_eq!(world.orgs.project(NOWHERE).await.unwrap(), None);
    assert_eq!(world.orgs.rename_project(NOWHERE, "Io").await.unwrap(), None);
    assert_eq!(world.orgs.project_members(NOWHERE).await.unwrap(), []);
}

/// A fault of an earlier system: roles in projects granted nothing, because the check was called without the project.
async fn a_role_in_a_project_counts_there_only(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let (bob, carol) = (world.person("bob").await, world.person("carol").await);
    world.orgs.add_member(START_MS + 1, org.id, &bob.email, OrgRole::Member).await.unwrap();
    let io = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    let europa = world.orgs.create_project(START_MS, org.id, alice.id, "Europa").await.unwrap();
    let role = async |project| world.orgs.access(bob.id, project).await.unwrap().unwrap().role;
    assert_eq!((role(io.id).await, role(europa.id).await), (Role::Editor, Role::Editor));

    for given in Role::ALL {
        world.orgs.set_project_role(io.id, bob.id, Some(given)).await.unwrap();
        assert_eq!((role(io.id).await, role(europa.id).await), (given, Role::Editor));
    }
    world.orgs.set_project_role(io.id, bob.id, Some(Role::Viewer)).await.unwrap();
    let members = world.orgs.project_members(io.id).await.unwrap();
    let members: Vec<_> = members.into_iter().map(|member| (member.user, member.given, member.role)).collect();
    assert_eq!(members, [(alice.id, Some(Role::Admin), Role::Admin), (bob.id, Some(Role::Viewer), Role::Viewer)]);
    world.orgs.set_project_role(io.id, bob.id, None).await.unwrap();
    assert_eq!(role(io.id).await, Role::Editor, "what the membership gives");

    let refused = world.orgs.set_project_role(io.id, carol.id, Some(Role::Editor)).await;
    assert!(matches!(refused, Err(ProjectRoleError::NoSuchMember)), "{refused:?}");
    let refused = world.orgs.set_project_role(NOWHERE, bob.id, Some(Role::Editor)).await;
    assert!(matches!(refused, Err(ProjectRoleError::NoSuchProject)), "{refused:?}");
}

async fn a_role_in_a_project_ends_with_the_membership(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let bob = world.person("bob").await;
    let io = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Member).await.unwrap();
    world.orgs.set_project_role(io.id, bob.id, Some(Role::Admin)).await.unwrap();
    world.orgs.remove_member(org.id, bob.id).await.unwrap();
    assert_eq!(world.orgs.access(bob.id, io.id).await.unwrap(), None);
    world.orgs.add_member(START_MS, org.id, &bob.email, OrgRole::Member).await.unwrap();
    assert_eq!(world.orgs.access(bob.id, io.id).await.unwrap().unwrap().role, Role::Editor, "not an admin again");
}

async fn a_project_remembers_when_it_was_used(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let io = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    let started = world.orgs.set_project_active(START_MS + 1, io.id, true).await.unwrap().unwrap();
    assert_eq!(
        (started.active, started.last_started_at_ms, started.last_activity_at_ms),
        (true, Some(START_MS + 1), Some(START_MS + 1))
    );
    let stopped = world.orgs.set_project_active(START_MS + 10, io.id, false).await.unwrap().unwrap();
    assert_eq!(
        (stopped.active, stopped.last_started_at_ms, stopped.last_activity_at_ms),
        (false, Some(START_MS + 1), Some(START_MS + 10))
    );
    assert_eq!(world.orgs.project(io.id).await.unwrap(), Some(stopped));
    assert_eq!(world.orgs.set_project_active(START_MS, NOWHERE, true).await.unwrap(), None);
    assert_eq!(world.orgs.org(org.id).await.unwrap().unwrap().version, 2, "no gateway needs to hear of it");
}

async fn a_deleted_project_is_gone(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let io = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    let europa = world.orgs.create_project(START_MS, org.id, alice.id, "Europa").await.unwrap();
    assert!(world.orgs.delete_project(io.id).await.unwrap());
    assert!(!world.orgs.delete_project(io.id).await.unwrap());
    assert_eq!(world.orgs.project(io.id).await.unwrap(), None);
    assert_eq!(world.orgs.access(alice.id, io.id).await.unwrap(), None);
    assert_eq!(world.orgs.projects(org.id).await.unwrap(), std::slice::from_ref(&europa));
    let asked = Deleted { organizations: [org.id].into(), projects: [io.id, europa.id, NOWHERE].into() };
    let deleted = Deleted { projects: [io.id].into(), ..Deleted::default() };
    assert_eq!(world.orgs.deleted(&asked).await.unwrap(), deleted, "what never was here was not deleted here");
    // As after a backup was restored into tables that know more.
    let insert = "INSERT INTO projects (id, org_id, name, active, created_at) VALUES ($1, $2, 'x', 0, 0)";
    let insert = sqlx::query(insert).bind(io.id.to_string()).bind(org.id.to_string());
    insert.execute(scratch.database.sqlx()).await.unwrap();
    assert_eq!(world.orgs.deleted(&asked).await.unwrap(), Deleted::default(), "what is here is not gone");
}

async fn an_organization_has_at_most_a_thousand_projects(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let mut tx = scratch.database.begin().await.unwrap();
    for n in 0..PROJECTS_MAX - 1 {
        let insert = "INSERT INTO projects (id, org_id, name, active, created_at) VALUES ($1, $2, 'x', 0, 0)";
        let id = ProjectId(Uuid::from_u128(u128::from(n) + 10));
        sqlx::query(insert).bind(id.to_string()).bind(org.id.to_string()).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    world.orgs.create_project(START_MS, org.id, alice.id, "the last").await.unwrap();
    let refused = world.orgs.create_project(START_MS, org.id, alice.id, "one more").await;
    assert!(matches!(refused, Err(CreateProjectError::TooManyProjects)), "{refused:?}");
    assert_eq!(world.orgs.projects(org.id).await.unwrap().len(), 1_000);
}

async fn a_brief_says_who_may_do_what(scratch: Scratch) {
    let world = World::new(&scratch);
    let (alice, org) = world.owner("alice").await;
    let (bob, elsewhere) = world.owner("bob").await;
    world.orgs.create_project(START_MS, elsewhere.id, bob.id, "not of this organization").await.unwrap();
    let io = world.orgs.create_project(START_MS, org.id, alice.id, "Io").await.unwrap();
    let europa = world.orgs.create_project(START_MS + 1, org.id, alice.id, "Europa").await.unwrap();
    world.orgs.add_member(START_MS + 1, org.id, &bob.email, OrgRole::Member).await.unwrap();
    world.orgs.set_project_role(io.id, bob.id, Some(Role::Viewer)).await.unwrap();

    let brief = world.orgs.brief(org.id).await.unwrap().unwrap();
    assert_eq!((brief.org.id, brief.org.name.as_str(), brief.org.version), (org.id, "alice's", 5));
    let projects: Vec<_> = brief.projects.iter().map(|project| (project.id, project.name.as_str())).collect();
    assert_eq!(projects, [(io.id, "Io"), (europa.id, "Europa")]);
    let [first, second] = &brief.members[..] else { panic!("{brief:?}") };
    assert_eq!((first.user_id, first.name.as_str(), first.role), (alice.id, "alice", OrgRole::Owner));
    assert_eq!((second.user_id, second.name.as_str(), second.role), (bob.id, "bob", OrgRole::Member));
    assert_eq!(second.projects.iter().collect::<Vec<_>>(), [(&io.id, &Role::Viewer)]);
    assert!(!format!("{brief:?}").contains("example.com"), "e-mail addresses stay here");

    assert_eq!(world.orgs.brief(OrgId(Uuid::from_u128(9))).await.unwrap(), None);
}
