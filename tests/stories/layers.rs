//! Layers point down: every manifest names only crates below its own, and one crate owns each heavy dependency.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Each crate with what it may use, as docs/architecture.md and the design draw it.
const LAYERS: [(&str, &[&str]); 15] = [
    ("lastmile-model", &[]),
    ("lastmile-media", &[]),
    ("lastmile-crdt", &["lastmile-model"]),
    ("lastmile-log", &["lastmile-crdt", "lastmile-model"]),
    ("lastmile-store", &["lastmile-log", "lastmile-crdt", "lastmile-model"]),
    ("lastmile-protocol", &["lastmile-log", "lastmile-crdt", "lastmile-model"]),
    ("lastmile-report", &["lastmile-store", "lastmile-log", "lastmile-crdt", "lastmile-model"]),
    ("lastmile-web", &[]),
    (
        "lastmile-client",
        &[
            "lastmile-store",
            "lastmile-protocol",
            "lastmile-report",
            "lastmile-media",
            "lastmile-log",
            "lastmile-crdt",
            "lastmile-model",
        ],
    ),
    (
        "lastmile-relay",
        &[
            "lastmile-store",
            "lastmile-protocol",
            "lastmile-report",
            "lastmile-web",
            "lastmile-media",
            "lastmile-log",
            "lastmile-crdt",
            "lastmile-model",
        ],
    ),
    (
        "lastmile-testkit",
        &[
            "lastmile-model",
            // Only with the feature `simulator`, which no shipped crate sets.
            "lastmile-client",
            "lastmile-crdt",
            "lastmile-log",
            "lastmile-protocol",
            "lastmile-relay",
            "lastmile-store",
        ],
    ),
    (
        "lastmile-cli",
        &[
            "lastmile-client",
            "lastmile-relay",
            "lastmile-report",
            "lastmile-web",
            "lastmile-testkit",
            "lastmile-store",
            "lastmile-protocol",
            "lastmile-media",
            "lastmile-log",
            "lastmile-crdt",
            "lastmile-model",
        ],
    ),
    (
        "lastmile-mobile",
        &[
            "lastmile-client",
            "lastmile-store",
            "lastmile-protocol",
            "lastmile-report",
            "lastmile-media",
            "lastmile-log",
            "lastmile-crdt",
            "lastmile-model",
        ],
    ),
    ("lastmile-bindgen", &["lastmile-model"]),
    ("lastmile-tests", &[]),
];

/// Heavy dependencies and the crates that alone may use them outside tests.
const OWNERS: [(&str, &[&str]); 12] = [
    ("automerge", &["lastmile-crdt"]),
    ("rusqlite", &["lastmile-store"]),
    ("ed25519-dalek", &["lastmile-log"]),
    ("crypto_box", &["lastmile-log"]),
    ("warp", &["lastmile-web", "lastmile-relay", "lastmile-worker"]),
    ("rustls", &["lastmile-web", "lastmile-client"]),
    ("tokio-rustls", &["lastmile-web", "lastmile-client"]),
    ("rcgen", &["lastmile-web"]),
    ("hyper-rustls", &["lastmile-client"]),
    ("image", &["lastmile-media"]),
    ("object_store", &["lastmile-relay"]),
    ("uniffi", &["lastmile-mobile", "lastmile-bindgen"]),
];

fn manifests() -> BTreeMap<String, toml::Table> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeMap::new();
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let bindings = ["rust", "bindgen"].map(|name| root.join("mobile-bindings").join(name));
    for path in crates.chain(bindings) {
        let path = path.join("Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        found.insert(manifest["package"]["name"].as_str().unwrap().to_owned(), manifest);
    }
    found
}

fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    manifest
        .get("dependencies")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

#[test]
fn layers_point_down() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    for (name, manifest) in manifests() {
        let allowed = layers.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no layer"));
        for used in dependencies(&manifest).iter().filter(|used| used.starts_with("lastmile-")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn one_crate_owns_each_heavy_dependency() {
    for (name, manifest) in manifests() {
        for (heavy, owners) in OWNERS {
            let uses = dependencies(&manifest).contains(heavy);
            assert!(!uses || owners.contains(&name.as_str()), "{name} must not use {heavy}");
        }
    }
}

#[test]
fn no_sql_outside_the_store() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if name != "lastmile-store" && name != "target" && name != "node_modules" && name != "tests" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for word in ["rusqlite", "SELECT ", "INSERT INTO", "PRAGMA "] {
                    let found = text.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
                    assert!(found.is_none(), "{}: {found:?}", path.display());
                }
            }
        }
    }
}

#[test]
fn faults_and_the_simulator_are_for_tests_alone() {
    for (name, manifest) in manifests() {
        let used = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten();
        for (dependency, how) in used.filter(|(dependency, _)| dependency.starts_with("lastmile-")) {
            let features = how.get("features").map(ToString::to_string).unwrap_or_default();
            assert!(!features.contains("planted"), "{name} builds {dependency} with deliberate faults");
            assert!(!features.contains("simulator"), "{name} ships the simulator");
        }
    }
}
