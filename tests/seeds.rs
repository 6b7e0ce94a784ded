//! The seeds of `tests/fuzz`, and broken variants of them, through the bodies of the fuzz targets.

use std::path::Path;

use hellotap::fuzz::TARGETS;

#[test]
fn no_target_fails_on_its_seeds() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/seeds")
            .join(name);
        let mut seeds = 0;
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        {
            let bytes = std::fs::read(entry.expect("a seed").path()).expect("a seed can be read");
            target(&bytes);
            for at in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                target(&bytes[..at]);
                let mut broken = bytes.clone();
                broken[at] ^= 0xff;
                target(&broken);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "{name} has no seeds");
    }
}
