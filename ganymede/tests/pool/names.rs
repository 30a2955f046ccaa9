//! Host names of organizations that are allocated while the name server is there, and while it is not.

use std::sync::Arc;

use orrery_ganymede::dns::{Dns, PowerDns};
use tokio::task::{spawn_blocking, yield_now};

use crate::{
    name_server::{ADDRESS, NameServer},
    support::on_sqlite,
    world::World,
};

#[test]
fn an_organization_is_served_while_its_names_are_pending() {
    let Some(mut server) = NameServer::start() else { return };
    on_sqlite(|scratch| async move {
        let settings = server.settings();
        PowerDns::new(&settings, Arc::new(|| 0.5)).unwrap().create(&settings.zone).await.unwrap();
        let dns = Dns::open(settings, Arc::new(|| 0.5)).unwrap();
        let world = World::with_names(scratch, dns.clone()).await;
        let gateway = world.gateway(2).await.gateway;
        let (early, late) = (world.org().await, world.org().await);
        let pool = world.pool.clone();
        let naming = tokio::spawn(async move { pool.look_after_names().await });

        world.pool.start(early).await.unwrap();
        assert!(world.hosts.brief(gateway, early).unwrap().named);
        assert_eq!(server.dig(&format!("uc-0123456789abcdef.org-{early}.team.example"), "A"), [ADDRESS]);

        server.kill();
        let allocation = world.pool.start(late).await.unwrap();
        let told = world.hosts.brief(gateway, late).unwrap();
        assert!(!told.named);
        assert_eq!(dns.status().unwrap().0, 1);

        let host = format!("uc-0123456789abcdef.org-{late}.team.example");
        let back = spawn_blocking(move || {
            server.start_again();
            server.answers(&host, &[ADDRESS]);
            server
        });
        let _server = back.await.unwrap();
        while !world.hosts.refreshed.lock().unwrap().contains(&late) {
            yield_now().await;
        }
        let again = world.pool.brief(&world.claims(&allocation)).await.unwrap();
        assert!(again.named && again.version > told.version);
        assert_eq!(dns.status().unwrap(), (0, None));
        naming.abort();
    });
}
