//! What must hold for any input at all: a body for each target, used by the ordinary tests, which
//! replay the corpus, and by the programs in `tests/fuzz`, which search for more.
//!
//! A body takes bytes and panics when something does not hold. Bytes that say nothing (no request,
//! no text) are left alone.

mod bodies;
mod definitions;
mod expressions;
mod files;
mod message;
pub mod seeds;
mod selectors;
mod server;

use std::sync::Once;

/// One thing to be tried with any input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As the program and the folder of its corpus are called.
    pub name: &'static str,
    /// What must hold.
    pub body: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 10] = [
    Target { name: "request", body: bodies::request },
    Target { name: "json_body", body: bodies::json },
    Target { name: "yaml_body", body: bodies::yaml },
    Target { name: "protobuf_body", body: bodies::protobuf },
    Target { name: "patch", body: bodies::patch },
    Target { name: "selector", body: selectors::selector },
    Target { name: "definition", body: definitions::definition },
    Target { name: "expression", body: expressions::expression },
    Target { name: "scenario", body: files::scenario },
    Target { name: "framework", body: files::framework },
];

/// Runs a target's body on one input.
///
/// # Panics
/// When something does not hold, or when there is no such target.
pub fn run(name: &str, input: &[u8]) {
    quieten();
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("there is no target {name}")).body)(input);
}

/// The engine of CEL gives up on some texts by panicking, which the server catches and answers
/// for. A search that ends at any panic would end there: this one ends when a panic comes through.
pub fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        // What libfuzzer-sys has set aborts the process; the default one only tells.
        drop(told);
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let file = panic.location().map_or("", |place| place.file());
            if !["/cel-", "/antlr4rust-"].iter().any(|krate| file.contains(krate)) {
                told(panic);
            }
        }));
    });
}
