use clap::Parser;

use crate::cli::{Cli, Command};

use orrery_ganymede::store::StoreLimits;

use super::*;

/// The configuration for a file's text, an environment and flags, or the error's one line.
fn load<const N: usize>(file: &str, environment: [(&str, &str); N], flags: &[&str]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orrery.toml");
    fs::write(&path, file).unwrap();
    let path = path.to_str().unwrap();
    let cli = Cli::parse_from(["orrery", "check", "--config", path].iter().chain(flags));
    let Command::Check(args) = cli.command else { panic!("the check command") };
    let loaded = Config::load(&args, &Environment::from(environment));
    loaded.map_err(|error| format!("{error:#}").replace(path, "FILE"))
}

fn check_refused<const N: usize>(file: &str, environment: [(&str, &str); N], expect: &str) {
    let error = load(file, environment, &[]).expect_err(expect);
    assert!(error.contains(expect), "{error:?} should contain {expect:?}");
}

#[test]
fn later_layers_win() {
    let slots = |file, environment: [(&str, &str); 1], flags: &[&str]| load(file, environment, flags).unwrap().slots;
    assert_eq!(slots("", [("HOME", "/h")], &[]), 3);
    assert_eq!(slots("slots = 4", [("HOME", "/h")], &[]), 4);
    assert_eq!(slots("slots = 4", [("ORRERY_SLOTS", "5")], &["--data", "d"]), 5);
    assert_eq!(slots("slots = 4", [("ORRERY_SLOTS", "5")], &["--data", "d", "--slots", "6"]), 6);
}

#[test]
fn nested_keys_reach_the_limits() {
    let file = "[limits.wire]\nframe_bytes_max = 1024\n[clocks]\nunload_ms = 0\n";
    let environment = [("HOME", "/h"), ("ORRERY_LIMITS_ROOM_PEERS_MAX", "7"), ("ORRERY_LOG_FORMAT", "json")];
    let config = load(file, environment, &[]).unwrap();
    assert_eq!(config.limits.wire, WireLimits { frame_bytes_max: 1024, ..WireLimits::default() });
    assert_eq!((config.limits.room.peers_max, config.clocks.unload_ms), (7, 0));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn the_store_has_limits_and_a_place_for_snapshots() {
    let file = "[store]\nloads_max = 9\nsnapshots = \"s3://bucket/prefix\"\n[store.s3]\naccess_key_id = \"me\"\n";
    let environment =
        [("HOME", "/h"), ("ORRERY_STORE_SEGMENT_BYTES", "77"), ("ORRERY_STORE_S3_SECRET_ACCESS_KEY", "shh")];
    let config = load(file, environment, &[]).unwrap();
    let limits = StoreLimits { loads_max: 9, segment_bytes: 77, ..StoreLimits::default() };
    assert_eq!(config.store.limits, limits);
    let shown = format!("{config:?}{}", Table::try_from(&config).unwrap());
    assert!(shown.contains("s3://bucket/prefix") && !shown.contains("shh"), "{shown}");
    check_refused("[store]\nload_max = 9", [("HOME", "/h")], "FILE: unknown key store.load_max");
    check_refused("[store]\nsnapshots = \"s3://bucket\"", [("HOME", "/h")], "store.s3.access_key_id: must be set");
}

#[test]
fn what_is_let_in_can_be_stored() {
    let home = [("HOME", "/h")];
    let data = "limits.http.data_bytes_max must be";
    check_refused("[limits.http]\ndata_bytes_max = 4194303", home, &format!("FILE: {data} from 4194304 to "));
    let frame = "[limits.http]\ndata_bytes_max = 17825791";
    check_refused(
        frame,
        home,
        &format!("{data} at least 17825792 for what limits.wire.frame_bytes_max lets in, not 17825791"),
    );
    let variables = "[containers]\nvariables_bytes_max = 30000000";
    check_refused(
        variables,
        home,
        &format!("{data} at least 180000000 for what containers.variables_bytes_max lets in"),
    );
    assert!(load(&format!("{variables}\n[limits.http]\ndata_bytes_max = 180000000"), home, &[]).is_ok());
}

#[test]
fn what_is_wrong_is_named_with_where_it_stands() {
    let home = [("HOME", "/h")];
    check_refused("slotz = 1", home, "FILE: unknown key slotz");
    check_refused("[limits.wire]\nframe = 1", home, "FILE: unknown key limits.wire.frame");
    check_refused("limits = 1", home, "FILE: limits must be a table");
    check_refused("slots = \"three\"", home, "FILE: slots must be a whole number, not \"three\"");
    check_refused("slots = -1", home, "FILE: slots must be from 1 to 1000, not -1");
    check_refused("slots = 70000", home, "FILE: slots must be from 1 to 1000, not 70000");
    let listen = "\"localhost:7000\" is not an IP address with a port, such as 127.0.0.1:7000";
    check_refused("listen = \"localhost:7000\"", home, &format!("FILE: {listen}"));
    check_refused("", [("ORRERY_LISTEN", "localhost:7000")], &format!("ORRERY_LISTEN: {listen}"));
    check_refused("trusted_proxies = [\"x\"]", home, "FILE: \"x\" is not an IP address");
    check_refused("", [("ORRERY_TRUSTED_PROXIES", "::1")], "ORRERY_TRUSTED_PROXIES: must be a list, in the");
    check_refused("public_url = \"team.example\"", home, "public_url: \"team.example\": must be http");
    check_refused("[gateway]\nganymede_url = \"127.0.0.1:9\"", home, "gateway.ganymede_url: \"127.0.0.1:9\": must be");
    check_refused("[containers]\norrery_url = \"nope\"", home, "containers.orrery_url: \"nope\": must be http");
    check_refused("log_filter = \"x=y=z\"", home, "log_filter: \"x=y=z\": ");
    check_refused("[passwords]\nmemory_kib = 7", home, "FILE: passwords.memory_kib must be from 8 to ");
    check_refused("log_format = \"loud\"", home, "FILE: unknown variant `loud`");
    check_refused("slots =", home, "FILE");
    check_refused("", [("ORRERY_SLOTZ", "1")], "ORRERY_SLOTZ: unknown variable");
    check_refused("", [("ORRERY_SLOTS", "three")], "ORRERY_SLOTS: must be a whole number, not \"three\"");
    check_refused("", [("ORRERY_SLOTS", "-3")], "ORRERY_SLOTS: slots must be from 1 to 1000, not -3");
}

/// A line of a file that sets one key.
fn setting(path: &[String], number: i64) -> String {
    format!("{} = {number}", path.join("."))
}

/// Each of them, alone: a clock of zero stops whoever waits for it, and a number without bound ends the process where it is
/// added to another.
#[test]
fn no_number_is_taken_that_nobody_means() {
    let table = Table::try_from(Config::defaults(&Environment::default())).unwrap();
    let numbers = layers::leaves(&table).into_iter().filter_map(|(path, value)| Some((path, value.as_integer()?)));
    let numbers: Vec<_> = numbers.collect();
    assert!(numbers.len() > 90, "{}", numbers.len());
    for (path, default) in numbers {
        let (key, home) = (path.join("."), [("HOME", "/h")]);
        load(&setting(&path, default), home, &[]).unwrap_or_else(|error| panic!("the default is refused: {error}"));
        check_refused(&setting(&path, i64::MAX), home, &format!("FILE: {key} must be from "));
        let zero = load(&setting(&path, 0), home, &[]);
        match key.as_str() {
            "clocks.awareness_flush_ms"
            | "clocks.awareness_grace_ms"
            | "clocks.refusal_hold_ms"
            | "clocks.unload_ms"
            | "nginx.reload_ms"
            | "passwords.waiting_max"
            | "store.commit_interval_ms"
            | "store.fold_after_ms" => assert!(zero.is_ok(), "{zero:?}"),
            _ => {
                let error = zero.expect_err(&key);
                assert!(error.starts_with(&format!("FILE: {key} must be from ")), "{error}");
                assert!(error.ends_with(", not 0"), "{error}");
            }
        }
    }
}

#[test]
fn domains_come_from_a_closed_alphabet() {
    for good in ["localhost", "team.example", "a-1.b2.example"] {
        assert!(check_domain(good).is_ok(), "{good}");
    }
    let long = format!("{}.example", "a.".repeat(80));
    for bad in ["", ".", "a..b", "-a.b", "a-.b", "A.b", "a_b", "a;b", "a b", "ä.b", "localhost:7000", &long] {
        assert!(check_domain(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_data_folder_is_the_platform_s() {
    let folder = |environment: Environment| environment.data_folder().display().to_string();
    assert_eq!(folder(Environment::from([("HOME", "/h"), ("XDG_DATA_HOME", "/x")])), "/x/orrery");
    assert_eq!(folder(Environment::from([("HOME", "relative")])), "");
    check_refused("", [], "data: no home folder is known");
}

#[test]
fn every_key_has_its_own_variable() {
    let table = Table::try_from(Config::defaults(&Environment::default())).unwrap();
    let variables = layers::leaves(&table).into_iter().map(|(path, _)| path.join("_"));
    let mut variables: Vec<String> = variables.collect();
    let count = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), count, "two keys share a variable");
}

#[test]
fn what_check_prints_is_a_configuration_file() {
    let config = load("slots = 9", [("HOME", "/h")], &[]).unwrap();
    let printed = toml::to_string(&config).unwrap();
    assert_eq!(load(&printed, [], &[]).unwrap(), config);
}

#[test]
fn secrets_are_not_printed() {
    let environment = [("ORRERY_GATEWAY_TOKEN", "canary"), ("ORRERY_DATABASE", "postgres://u:canary@h/d")];
    let config = load("data = \"/d\"", environment, &[]).unwrap();
    assert_eq!(config.gateway.token.expose(), "canary");
    for printed in [toml::to_string(&config).unwrap(), serde_json::to_string(&config).unwrap(), format!("{config:?}")] {
        assert!(!printed.contains("canary"), "{printed}");
    }
    check_refused("database = 7", [("HOME", "/h")], "FILE: database must be a string");
    let shown = "database: \"(set)\" is shown in place of a secret";
    check_refused(&toml::to_string(&config).unwrap(), [], shown);
    assert_eq!(load(&toml::to_string(&config).unwrap(), environment, &[]).unwrap(), config);
    check_refused("database = \"canary://h\"\ndata = \"/d\"", [], "database");
}

#[test]
fn the_documentation_has_every_key_with_its_default() {
    let documentation = include_str!("../../docs/configuration.md");
    let table = Table::try_from(Config::defaults(&Environment::default())).unwrap();
    for (path, value) in layers::leaves(&table) {
        let key = path.join(".");
        let default = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // The data folder's default depends on the machine.
        let row = if key == "data" { "| `data` |".to_owned() } else { format!("| `{key}` | `{default}` |") };
        assert!(documentation.contains(&row), "docs/configuration.md needs: {row}");
    }
}

#[test]
fn a_name_server_is_named_whole_or_not_at_all() {
    let home = ("HOME", "/h");
    assert!(load("", [home], &[]).unwrap().dns().unwrap().is_none());
    let file = "domain = \"team.example\"\n[dns]\naddress = \"192.0.2.7\"\n";
    let seed = [home, ("DNS_SERVER_URL", "http://ns:8081"), ("DNS_API_TOKEN", "shh"), ("DNS_ZONE", "example")];
    let config = load(file, seed, &[]).unwrap();
    assert_eq!(config.dns().unwrap().unwrap().zone.name().as_str(), "example");
    let shown = format!("{config:?}{}", Table::try_from(&config).unwrap());
    assert!(!shown.contains("shh"), "{shown}");
    let ours = [home, ("DNS_SERVER_URL", "http://a"), ("ORRERY_DNS_URL", "http://b"), ("DNS_API_TOKEN", "shh")];
    assert_eq!(load(file, ours, &[]).unwrap().dns.url, "http://b");
    let environment = [
        home,
        ("DNS_SERVER_URL", "http://ns:8081"),
        ("DNS_API_TOKEN", "shh"),
        ("DOMAIN", "other.example"),
        ("ORRERY_DNS_ADDRESS", "192.0.2.7"),
    ];
    assert_eq!(load("", environment, &[]).unwrap().domain, "other.example");
    assert_eq!(
        load("", [home, ("DOMAIN", "shell.example")], &[]).unwrap().domain,
        "localhost",
        "it means somebody else"
    );
    let missing = "dns.api_token (DNS_API_TOKEN): must be set";
    check_refused(file, [home, ("DNS_SERVER_URL", "http://ns:8081")], missing);
}
