//! Compiles `geodesic/**/*.proto` against the Cosmos interface in `cosmos/descriptors.bin` and generates Rust
//! for the packages of [`PACKAGES`] and for every `geodesic` package. No `protoc`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "how a build script talks to cargo")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, IncludeFileResolver};

/// Cosmos and CometBFT packages that get Rust types; the descriptor pool holds all packages.
const PACKAGES: &[&str] = &[
    "cosmos.auth.v1beta1",
    "cosmos.bank.v1beta1",
    "cosmos.base.abci.v1beta1",
    "cosmos.base.node.v1beta1",
    "cosmos.base.query.v1beta1",
    "cosmos.base.tendermint.v1beta1",
    "cosmos.base.v1beta1",
    "cosmos.consensus.v1",
    "cosmos.crypto.ed25519",
    "cosmos.crypto.multisig",
    "cosmos.crypto.multisig.v1beta1",
    "cosmos.crypto.secp256k1",
    "cosmos.crypto.secp256r1",
    "cosmos.distribution.v1beta1",
    "cosmos.evidence.v1beta1",
    "cosmos.genutil.v1beta1",
    "cosmos.slashing.v1beta1",
    "cosmos.staking.v1beta1",
    "cosmos.tx.signing.v1beta1",
    "cosmos.tx.v1beta1",
    "cosmos.vesting.v1beta1",
    "tendermint.abci",
    "tendermint.crypto",
    "tendermint.p2p",
    "tendermint.types",
    "tendermint.version",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cosmos/descriptors.bin");

    let cosmos = fs::read(root.join("cosmos/descriptors.bin"))?;
    let own = compile_own(&root, &cosmos)?;
    // A FileDescriptorSet is one repeated field, so two encodings in a row are the merged set; decoding the pool
    // checks that no file or name is there twice. prost's own types would drop the custom options.
    let merged = [cosmos, own].concat();
    DescriptorPool::decode(merged.as_slice())?;
    fs::write(out.join("descriptors.bin"), &merged)?;

    let mut files = FileDescriptorSet::decode(merged.as_slice())?.file;
    // prost needs to see the well-known types but takes their Rust from prost-types.
    files.retain(|file| is_generated(file.package()) || file.package() == "google.protobuf");
    check_closed(&files)?;
    for file in &mut files {
        // Nobody calls the `Msg` services: transactions carry their requests. CometBFT's ABCI speaks its own framing.
        file.service.retain(|service| service.name() != "Msg" && service.name() != "ABCI");
        file.message_type.iter_mut().for_each(rename_clashing_oneof);
    }
    let mut config = prost_build::Config::new();
    config.enable_type_names().btree_map(["."]).include_file("include.rs");
    tonic_build::configure().compile_fds_with_config(config, FileDescriptorSet { file: files })?;
    Ok(())
}

/// Encoded `FileDescriptorSet` of our own files, without what they import.
fn compile_own(root: &Path, cosmos: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut paths = Vec::new();
    collect(&root.join("geodesic"), &mut paths)?;
    paths.sort();
    let mut chain = ChainFileResolver::new();
    chain.add(IncludeFileResolver::new(root.to_path_buf()));
    chain.add(DescriptorSetFileResolver::decode(cosmos)?);
    let mut compiler = Compiler::with_file_resolver(chain);
    for path in paths {
        compiler.open_file(path.strip_prefix(root)?)?;
    }
    Ok(compiler.encode_file_descriptor_set())
}

/// Adds the `.proto` files below `dir` to `paths`; cargo watches every folder and file on the way.
fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", dir.display());
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            println!("cargo::rerun-if-changed={}", path.display());
            paths.push(path);
        }
    }
    Ok(())
}

fn is_generated(package: &str) -> bool {
    package.starts_with("geodesic.") || PACKAGES.contains(&package)
}

/// Every message type that a generated file names must be in them.
fn check_closed(files: &[FileDescriptorProto]) -> Result<(), Box<dyn Error>> {
    let mut known = BTreeSet::new();
    for file in files {
        let package = format!(".{}", file.package());
        file.message_type.iter().for_each(|message| names(&package, message, &mut known));
        known.extend(file.enum_type.iter().map(|item| format!("{package}.{}", item.name())));
    }
    let mut wanted = BTreeSet::new();
    for file in files {
        file.message_type.iter().for_each(|message| references(message, &mut wanted));
        for method in file.service.iter().flat_map(|service| &service.method) {
            wanted.extend([method.input_type().to_owned(), method.output_type().to_owned()]);
        }
    }
    match wanted.iter().find(|name| !known.contains(*name)) {
        Some(name) => Err(format!("no Rust type for {name}: add its package to PACKAGES in build.rs").into()),
        None => Ok(()),
    }
}

fn names(scope: &str, message: &DescriptorProto, known: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", message.name());
    message.nested_type.iter().for_each(|nested| names(&name, nested, known));
    known.extend(message.enum_type.iter().map(|item| format!("{name}.{}", item.name())));
    known.insert(name);
}

fn references(message: &DescriptorProto, wanted: &mut BTreeSet<String>) {
    wanted.extend(message.field.iter().filter_map(|field| field.type_name.clone()));
    message.nested_type.iter().for_each(|nested| references(nested, wanted));
}

/// `StakeAuthorization` has a message `Validators` and a oneof `validators`: one Rust name for two types.
fn rename_clashing_oneof(message: &mut DescriptorProto) {
    let nested: BTreeSet<String> = message.nested_type.iter().map(|m| m.name().to_lowercase()).collect();
    for oneof in &mut message.oneof_decl {
        if nested.contains(&oneof.name().replace('_', "")) {
            oneof.name = Some(format!("{}_choice", oneof.name()));
        }
    }
    message.nested_type.iter_mut().for_each(rename_clashing_oneof);
}
