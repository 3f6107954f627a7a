//! Applications that are dropped at every point of a block, opened again, and caught up as CometBFT does it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::weight;
use geodesic_testnet::driver::{Guild, Habits, Net, Point, Spec, check};

const POINTS: [Point; 4] = [Point::Prepare, Point::Process, Point::Finalize, Point::Commit];

/// THREATS 1, numbers 1, 2, 8: one node in turn, at each point in turn, through two epochs with a cheat in the first.
#[test]
fn one_node_in_turn_at_every_point() {
    let mut net = Net::new(Spec::default()).unwrap();
    let honest = Habits::default();
    let mut guild = Guild::new(&net, &[honest, honest, honest, Habits { fakes: 20, ..honest }]);
    for height in 0..48_usize {
        // Every pair of node and point comes up three times, at another part of the epoch each time.
        net.restarts.push(((height / 4 + height) % 4, POINTS[height % 4]));
        guild.step(&mut net).unwrap();
        check(&net).unwrap();
    }
    assert!((0..3).all(|i| weight(&net, 0, i).unwrap().weight > 0));
    net.replay().unwrap();
}

/// THREATS 1, number 4: all at once, before and after the first commit too.
#[test]
fn all_nodes_at_once() {
    let mut net = Net::new(Spec::default()).unwrap();
    let mut guild = Guild::new(&net, &[Habits::default(); 4]);
    for height in 0..24 {
        net.restarts.extend((0..4).map(|node| (node, POINTS[height % 4])));
        guild.step(&mut net).unwrap();
    }
    check(&net).unwrap();
    assert!((0..4).all(|i| weight(&net, 0, i).unwrap().weight > 0));
}

/// The first block executed, its commit lost: the chain begins again from its genesis.
#[test]
fn the_first_commit_is_lost() {
    for point in POINTS {
        let mut net = Net::new(Spec::default()).unwrap();
        net.restarts.extend((0..4).map(|node| (node, point)));
        net.step().unwrap();
        net.run_to(5).unwrap();
    }
}

/// THREATS 1, number 12: the database is gone, the blocks are there.
#[test]
fn an_empty_disk_replays_all_blocks() {
    let mut net = Net::new(Spec::default()).unwrap();
    let honest = Habits::default();
    let mut guild = Guild::new(&net, &[honest, honest, honest, Habits { lazy: true, ..honest }]);
    guild.run_to(&mut net, 50).unwrap();
    net.replay().unwrap();
}
