//! Alice goes to a notebook's host, by way of Ganymede.

use uuid::Uuid;

use super::*;
use crate::{
    database::{Database, DatabaseUrl},
    people::{NewUser, PasswordHashing, Secret, session_digest},
};

const ORG: OrgId = OrgId(Uuid::from_u128(3));
const NONCE: &str = "n0nce";
const SECOND: Duration = Duration::from_secs(1);

struct Gate {
    visits: Visits,
    people: People,
    alice: UserId,
    secret: Secret,
    now: Arc<Mutex<SystemTime>>,
    _data: tempfile::TempDir,
}

fn host() -> String {
    format!("uc-7000000000000000.org-{ORG}.orrery.example")
}

impl Gate {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = format!("sqlite:{}", data.path().join("ganymede.db").display()).parse().unwrap();
        let hashing = PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() };
        let people = People::new(Database::open(&url).await.unwrap(), &hashing).unwrap();
        let began = UNIX_EPOCH + Duration::from_millis(1_795_284_000_700);
        let (email, password) = ("alice@example.org".to_owned(), "correct horse battery staple".to_owned());
        let new = NewUser { email, password, name: "Alice".to_owned() };
        let alice = people.sign_up(unix_ms(began), new).await.unwrap().id;
        let secret = people.open_session(unix_ms(began), alice).await.unwrap();
        let tokens = Arc::new(TokenKeys::load_or_create(data.path()).unwrap());
        let now = Arc::new(Mutex::new(began));
        let visits = Visits::new(tokens, people.clone(), clock(&now));
        Self { visits, people, alice, secret, now, _data: data }
    }

    fn session(&self) -> SessionDigest {
        session_digest(self.secret.expose()).unwrap()
    }

    fn request(&self) -> VisitRequest {
        let code = self.visits.ticket(self.alice, self.session(), host(), NONCE.to_owned()).unwrap();
        VisitRequest { code, host: host(), nonce: NONCE.to_owned() }
    }

    fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    async fn admits(&self, org: OrgId, request: &VisitRequest) -> Result<(), String> {
        self.visits.admit(org, request).await.map(drop).map_err(|error| error.to_string())
    }
}

fn clock(now: &Arc<Mutex<SystemTime>>) -> Clock {
    let now = now.clone();
    Arc::new(move || *now.lock().unwrap())
}

#[tokio::test]
async fn a_ticket_becomes_a_visit_once() {
    let gate = Gate::new().await;
    let request = gate.request();
    let visit = gate.visits.admit(ORG, &request).await.unwrap();
    let now = (gate.visits.clock)();
    let (claims, _) = gate.visits.tokens.verifying().visit(&visit.token.0, &host(), now).unwrap();
    assert_eq!(claims, VisitClaims { user: gate.alice, session: gate.session() });
    assert_eq!(gate.admits(ORG, &request).await, Err("the ticket was used".to_owned()));
    let next = gate.request();
    let (one, other) = tokio::join!(gate.admits(ORG, &next), gate.admits(ORG, &next));
    assert!(one.is_ok() != other.is_ok(), "of two at the same time one enters: {one:?} {other:?}");
}

#[tokio::test]
async fn a_ticket_opens_one_host_to_one_browser_for_a_minute() {
    let gate = Gate::new().await;
    let good = gate.request();
    let invalid = Err("the token is not valid".to_owned());
    let elsewhere = good.host.replace("7000000000000000", "7000000000000001");
    assert_eq!(gate.admits(ORG, &VisitRequest { host: elsewhere, ..good.clone() }).await, invalid);
    assert_eq!(gate.admits(ORG, &VisitRequest { nonce: "other".to_owned(), ..good.clone() }).await, invalid);
    assert_eq!(gate.admits(OrgId(Uuid::from_u128(4)), &good).await, invalid, "a gateway of another organization");
    for code in ["", "x", "a.b.c"] {
        assert_eq!(gate.admits(ORG, &VisitRequest { code: Token(code.to_owned()), ..good.clone() }).await, invalid);
    }
    gate.pass(66 * SECOND);
    assert_eq!(gate.admits(ORG, &good).await, Err("the token has expired".to_owned()));
    assert_eq!(gate.admits(ORG, &gate.request()).await, Ok(()), "none of this has used anything up");
}

#[tokio::test]
async fn who_signed_out_does_not_enter_and_does_not_stay() {
    let gate = Gate::new().await;
    let standing = VisitStanding { user: gate.alice, session: gate.session() };
    assert!(gate.visits.stands(&standing).await.unwrap());
    let of_another = VisitStanding { user: UserId(Uuid::from_u128(9)), ..standing.clone() };
    assert!(!gate.visits.stands(&of_another).await.unwrap());
    let request = gate.request();
    gate.people.close_session(gate.secret.expose()).await.unwrap();
    assert!(!gate.visits.stands(&standing).await.unwrap());
    assert_eq!(gate.admits(ORG, &request).await, Err("the session is over".to_owned()));
}

#[tokio::test]
async fn a_ticket_of_an_earlier_process_may_have_been_used_there() {
    let gate = Gate::new().await;
    let request = gate.request();
    gate.pass(SECOND);
    let again = Visits::new(gate.visits.tokens.clone(), gate.people.clone(), clock(&gate.now));
    assert!(matches!(again.admit(ORG, &request).await, Err(VisitError::Used)));
    assert_eq!(gate.admits(ORG, &request).await, Ok(()), "the process that gave it");
}
