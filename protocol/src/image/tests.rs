use super::*;

const NOTEBOOK: &str = r#"
id = "jupyter:minimal"
name = "JupyterLab"
uri = "quay.io/jupyter/minimal-notebook"
tag = "2026-10-20"
containerType = "jupyter"
category = "notebook"
ports = [8888]

[[services]]
name = "lab"
port = 8888
probe = "/api"

[[env]]
name = "TZ"
default = "UTC"
"#;

fn parse(text: &str) -> ContainerImage {
    ContainerImage::from_toml(text).unwrap()
}

#[test]
fn a_definition_is_the_same_in_toml_and_in_json() {
    let image = parse(NOTEBOOK);
    assert_eq!((image.container_type, image.services[0].port), (ContainerType::Jupyter, 8888));
    assert_eq!(image.reference().unwrap().to_string(), "quay.io/jupyter/minimal-notebook:2026-10-20");
    let json = serde_json::to_string(&image).unwrap();
    assert!(json.contains("\"containerType\":\"jupyter\""), "{json}");
    assert_eq!(serde_json::from_str::<ContainerImage>(&json).unwrap(), image);
}

#[test]
fn every_error_names_its_field() {
    let check = |from: &str, to: &str, expect: &str| {
        assert!(NOTEBOOK.contains(from), "{from}");
        let error = ContainerImage::from_toml(&NOTEBOOK.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{to}: {error}");
    };
    check("id = \"jupyter:minimal\"", "id = \"Jupyter\"", "id: must be an image id");
    check("id = \"jupyter:minimal\"", "", ".: missing field `id`");
    check("name = \"JupyterLab\"", "name = \"\"", "name: must be 1 to 80 characters");
    check("name = \"JupyterLab\"", "name = 7", "name: invalid type: integer");
    check("uri = \"quay", "uri = \"https://quay", "uri: must be an image's place");
    check("uri = \"quay.io/jupyter/minimal-notebook\"", "", "tag: belongs to a uri");
    check("tag = \"2026-10-20\"", "tag = \"a b\"", "tag: must be a tag");
    check("tag = \"2026-10-20\"", "digest = \"sha256:12\"", "digest: must be a digest");
    check("category = \"notebook\"", "category = \"books\"", "category: unknown variant");
    check("ports = [8888]", "ports = [8888, 99999]", "ports[1]: invalid value");
    check("ports = [8888]", "ports = [80]", "services[0].port: is not one of the ports");
    check("ports = [8888]", "ports = [0, 8888]", "ports: must be at most 16");
    check("ports = [8888]", "ports = [8888]\nport = 1", "port: unknown field");
    check("name = \"lab\"", "name = \"a--b\"", "services[0].name: must be 1 to 42");
    check("probe = \"/api\"", "probe = \"api\"", "services[0].probe: must be a path");
    check("probe = \"/api\"", "public_paths = [\"/a\", \"/../b\"]", "services[0].public_paths[1]: must be a path");
    let many = format!("public_paths = [{}]", "\"/a\", ".repeat(17));
    check("probe = \"/api\"", &many, "services[0].public_paths: must be at most 16");
    check("probe = \"/api\"", "prob = \"/api\"", "services[0].prob: unknown field");
    check("name = \"TZ\"", "name = \"ORRERY_TOKEN\"", "env[0].name: is set by the platform");
    check("default = \"UTC\"", "default = \"a\\nb\"", "env[0].default: must be without control characters");
    check("default = \"UTC\"", "secret = true\ndefault = \"x\"", "env[0].default: a secret has none");
    let options = |options: &str| format!("category = \"notebook\"\noptions = {{ {options} }}");
    check("category = \"notebook\"", &options("capabilities = [\"SYS_ADMIN\"]"), "options.capabilities[0]: unknown");
    check("category = \"notebook\"", &options("memoryMb = 1"), "options.memoryMb: is less than");
    check("category = \"notebook\"", "category =", ".: ");
}

#[test]
fn two_services_or_variables_do_not_share_a_name() {
    let twice = format!("{NOTEBOOK}\n[[services]]\nname = \"lab\"\nport = 8888\n");
    assert_eq!(ContainerImage::from_toml(&twice).unwrap_err().field, "services[1].name");
    let twice = format!("{NOTEBOOK}\n[[env]]\nname = \"TZ\"\n");
    assert_eq!(ContainerImage::from_toml(&twice).unwrap_err().field, "env[1].name");
}

#[test]
fn a_type_from_a_later_version_is_generic() {
    let image = parse(&NOTEBOOK.replace("containerType = \"jupyter\"", "containerType = \"hologram\""));
    assert_eq!(image.container_type, ContainerType::Generic);
}

fn built_in() -> [&'static str; 6] {
    [
        include_str!("../../../images/jupyter-minimal/image.toml"),
        include_str!("../../../images/vscode/image.toml"),
        include_str!("../../../images/pgadmin/image.toml"),
        include_str!("../../../images/n8n/image.toml"),
        include_str!("../../../images/ubuntu-terminal/image.toml"),
        include_str!("../../../images/generic/image.toml"),
    ]
}

fn registry(allowed: &[&str]) -> ImageRegistry {
    let mut registry = ImageRegistry::new(allowed.iter().map(|&place| place.to_owned()).collect());
    built_in().into_iter().try_for_each(|text| registry.register(parse(text))).unwrap();
    registry
}

#[test]
fn the_built_in_definitions_are_good() {
    let ids: Vec<String> = registry(&[]).list(ImageFilter::default()).map(|image| image.id.to_string()).collect();
    let expect = ["generic", "jupyter:minimal", "n8n:latest", "pgadmin:latest", "ubuntu:terminal", "vscode:latest"];
    assert_eq!(ids, expect);
}

/// What browsers choose from, and no port in it.
#[test]
fn the_document_says_what_there_is_to_choose() {
    let values = values_of(&registry(&[]));
    let text = format!("{:?}", values["n8n:latest"]);
    for part in [
        r#""category": Text("automation"), "containerType": Text("n8n")"#,
        r#""GENERIC_TIMEZONE": Map({"default": Text("UTC"), "description""#,
        r#""open": Bool(false), "services": List([Text("n8n")])"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("5678"), "{text}");
    for image in registry(&[]).list(ImageFilter::default()) {
        let json = serde_json::to_value(image).unwrap();
        assert_eq!(json["containerType"], image.container_type.as_str());
        assert_eq!(json["category"], image.category.as_str());
    }
}

#[test]
fn images_are_listed_by_what_they_are() {
    let registry = registry(&[]);
    let ids = |filter| registry.list(filter).map(|image| image.id.as_str()).collect::<Vec<_>>();
    let notebooks = ImageFilter { category: Some(Category::Notebook), ..ImageFilter::default() };
    assert_eq!(ids(notebooks), ["jupyter:minimal"]);
    let generic = ImageFilter { container_type: Some(ContainerType::Generic), ..ImageFilter::default() };
    assert_eq!(ids(generic), ["generic", "ubuntu:terminal"]);
    assert_eq!(ids(ImageFilter { category: Some(Category::Notebook), ..generic }), Vec::<&str>::new());
}

#[test]
fn what_is_registered_cannot_be_shadowed() {
    let mut registry = registry(&[]);
    let before = registry.clone();
    let shadow = parse(&NOTEBOOK.replace("quay.io/", "evil.example/"));
    assert_eq!(registry.register(shadow), Err(AlreadyRegistered("jupyter:minimal".parse().unwrap())));
    assert_eq!(registry, before);
}

#[test]
fn members_bring_images_only_from_where_they_may() {
    let check = |allowed: &[&str], choice: &str, expect: Result<&str, Unavailable>| {
        let registry = registry(allowed);
        let resolved = registry.resolve(&choice.parse().unwrap()).map(|(_, reference)| reference.to_string());
        assert_eq!(resolved, expect.map(str::to_owned), "{choice}");
    };
    check(&[], "generic/nginx:1.27", Err(Unavailable::NotAllowed));
    check(&["*"], "generic/nginx:1.27", Ok("nginx:1.27"));
    check(&["ghcr.io/us/"], "generic/ghcr.io/us/a:1", Ok("ghcr.io/us/a:1"));
    check(&["ghcr.io/us"], "generic/ghcr.io/usurper/a:1", Err(Unavailable::NotAllowed));
    check(&["nginx"], "generic/nginx", Ok("nginx"));
    check(&["*"], "generic", Err(Unavailable::Open));
    check(&["*"], "jupyter:minimal/nginx", Err(Unavailable::Closed));
    check(&["*"], "jupyter:maximal", Err(Unavailable::Unknown));
}
