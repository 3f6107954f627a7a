use super::*;

const J: Address = [2; 20];

fn window() -> Window {
    // The local defaults: X 17, open 22, verdict 27 to 30, judge 33, reveal 36, T 39.
    Window {
        index: 0,
        start: 1,
        draw: 17,
        open: 22,
        verdict: 27,
        verdict_end: 30,
        judge_commit: 33,
        judge_reveal: 36,
        settle: 39,
        activate: 41,
        claim: 42,
        end: 61,
    }
}

fn at(height: u64) -> View {
    View {
        height,
        window: window(),
        commit_margin: 4,
        demand_margin: 2,
        min_leaves: 256,
        authorised: true,
        active: true,
        ..View::default()
    }
}

fn mining(height: u64, leaves: u64, committed: u64, commits: u32) -> View {
    View { nodes: vec![NodeView { node_id: 3, leaves, committed }], commits, ..at(height) }
}

/// Two nodes, four blocks before X.
fn behind(leaves: u64, other: u64) -> View {
    let node = |node_id, leaves| NodeView { node_id, leaves, committed: 0 };
    View { nodes: vec![node(3, leaves), node(4, other)], ..at(13) }
}

fn generate(until: Option<u64>) -> Action {
    Action::Generate { node_id: 3, until }
}

fn commit(count: u64) -> Action {
    Action::Commit { nodes: vec![(3, count)] }
}

#[test]
fn the_stage() {
    for (name, view, want) in [
        ("the epoch begins", mining(1, 0, 0, 0), vec![generate(None)]),
        ("too few leaves to commit to", mining(5, 255, 0, 0), vec![generate(None)]),
        ("early, for safety", mining(5, 256, 0, 0), vec![generate(None), commit(256)]),
        ("once is enough", mining(8, 900, 256, 1), vec![generate(None)]),
        ("the last block of computing", mining(12, 900, 256, 1), vec![generate(None)]),
        ("four blocks before X all are committed to", mining(13, 900, 256, 1), vec![commit(900)]),
        ("no early one was taken", mining(13, 900, 0, 0), vec![commit(900)]),
        ("a batch arrived late", mining(14, 950, 900, 2), vec![commit(950)]),
        ("nothing new", mining(14, 900, 900, 2), vec![]),
        ("a node that is far behind is left out", behind(300, 63), vec![commit(300)]),
        ("and does not count", behind(200, 63), vec![]),
        (
            "a second node with enough",
            behind(200, 64),
            vec![Action::Commit { nodes: vec![(3, 200), (4, 64)] }],
        ),
        ("not enough to count", mining(13, 255, 0, 0), vec![]),
        ("the last block before X", mining(15, 900, 256, 1), vec![commit(900)]),
        ("too late", mining(16, 900, 256, 1), vec![]),
        ("eight were sent", mining(15, 900, 256, 8), vec![]),
        ("not active yet", View { active: false, ..mining(5, 256, 0, 0) }, vec![]),
        ("another agent is registered", View { authorised: false, ..mining(5, 256, 0, 0) }, vec![]),
        ("leaves were lost, in the stage", mining(14, 100, 256, 1), vec![generate(Some(256))]),
        ("leaves were lost, demands may come", mining(25, 100, 256, 1), vec![generate(Some(256))]),
        ("leaves were lost, nobody can ask", mining(26, 100, 256, 1), vec![]),
        ("leaves were lost while computing: it goes on anyway", mining(5, 100, 256, 1), vec![generate(None)]),
    ] {
        assert_eq!(plan(&view), want, "{name}");
    }
}

#[test]
fn one_dead_node_does_not_hold_the_others() {
    let nodes = vec![
        NodeView { node_id: 0, leaves: 0, committed: 0 },
        NodeView { node_id: 1, leaves: 500, committed: 0 },
    ];
    let view = View { nodes, ..at(13) };
    assert_eq!(plan(&view), [Action::Commit { nodes: vec![(1, 500)] }]);
}

fn sample(position: u32) -> SampleView {
    SampleView { position, ..SampleView::default() }
}

fn known(position: u32) -> SampleView {
    SampleView { known: true, ..sample(position) }
}

fn good(position: u32) -> SampleView {
    SampleView { computed: true, ..known(position) }
}

fn auditing(height: u64, demanded: bool, samples: Vec<SampleView>) -> View {
    let duties = vec![DutyView { prover: J, demanded, samples }];
    View { audit: Some(AuditView { sent: false, duties }), ..at(height) }
}

fn fetch(positions: &[u32]) -> Action {
    Action::Fetch { prover: J, positions: positions.to_vec() }
}

fn demand(positions: &[u32]) -> Action {
    Action::Demand { prover: J, positions: positions.to_vec() }
}

#[test]
fn audits() {
    let recompute = Action::Recompute { prover: J };
    let unanswered = SampleView { demanded: true, ..sample(0) };
    let opened = SampleView { demanded: true, lacks_path: true, ..good(0) };
    for (name, view, want) in [
        ("fetch at X", auditing(17, false, vec![sample(0), sample(1)]), vec![fetch(&[0, 1])]),
        ("the rest", auditing(18, false, vec![known(0), sample(1)]), vec![fetch(&[1]), recompute.clone()]),
        ("not yet late", auditing(18, false, vec![sample(0)]), vec![fetch(&[0])]),
        ("late: demand", auditing(19, false, vec![sample(0)]), vec![demand(&[0]), fetch(&[0])]),
        ("last block of fetching", auditing(20, false, vec![sample(0)]), vec![demand(&[0]), fetch(&[0])]),
        ("too late to demand", auditing(21, false, vec![sample(0)]), vec![fetch(&[0])]),
        ("one demand of a prover", auditing(20, true, vec![unanswered, sample(2)]), vec![fetch(&[2])]),
        ("demanded, no answer yet", auditing(24, true, vec![unanswered]), vec![]),
        ("all there, too early for a verdict", auditing(25, false, vec![good(0)]), vec![]),
        ("the first block of verdicts", auditing(26, false, vec![good(0)]), vec![Action::Verdict]),
        ("never answered: left out", auditing(26, true, vec![unanswered, good(1)]), vec![Action::Verdict]),
        ("owed and missing: no verdict", auditing(26, false, vec![sample(0), good(1)]), vec![fetch(&[0])]),
        ("not computed yet", auditing(27, false, vec![known(0)]), vec![recompute.clone()]),
        ("the last block of verdicts", auditing(28, false, vec![good(0)]), vec![Action::Verdict]),
        ("too late for a verdict", auditing(29, false, vec![good(0)]), vec![]),
        ("no duties", View { audit: Some(AuditView::default()), ..at(26) }, vec![Action::Verdict]),
        (
            "a wrong leaf opened on chain",
            auditing(24, true, vec![opened]),
            vec![Action::FindPaths { prover: J }],
        ),
    ] {
        assert_eq!(plan(&view), want, "{name}");
    }
}

#[test]
fn wrong_leaves_are_accused() {
    let accuse = |nonce| Action::AccuseLeaf { prover: J, node_id: 1, nonce };
    let wrong = |height| View { wrong_leaves: vec![(J, 1, 7), (J, 1, 9)], ..at(height) };
    for (name, view, want) in [
        ("before the draw nothing is known", wrong(16), vec![]),
        ("one leaf of a prover is enough", wrong(20), vec![accuse(7)]),
        ("in the last block", wrong(31), vec![accuse(7)]),
        ("accusations are closed", wrong(32), vec![]),
        ("accused before the restart", View { done: [accuse(7).key()].into(), ..wrong(20) }, vec![]),
        (
            "somebody accused it, not the other",
            View { accused: [accuse(7)].into(), ..wrong(20) },
            vec![accuse(9)],
        ),
    ] {
        assert_eq!(plan(&view), want, "{name}");
    }
    let mut both = auditing(27, false, vec![good(0)]);
    both.wrong_leaves = vec![(J, 1, 7)];
    assert_eq!(plan(&both), [Action::Verdict, accuse(7)], "an accuser sends its verdict all the same");
}

#[test]
fn a_sent_verdict_ends_fetching() {
    let mut view = auditing(27, false, vec![good(0)]);
    view.audit.as_mut().unwrap().sent = true;
    assert_eq!(plan(&view), []);
}

#[test]
fn demands_are_answered() {
    let asked =
        |height, positions: Vec<u32>| View { demands: vec![(J, positions)], ..mining(height, 300, 300, 2) };
    let open = |positions: Vec<u32>| Action::Open { auditor: J, positions };
    for (name, view, want) in [
        ("as soon as it is seen", asked(19, vec![2, 4]), vec![open(vec![2, 4])]),
        ("in the last block", asked(25, vec![2]), vec![open(vec![2])]),
        ("too late", asked(26, vec![2]), vec![]),
        ("in parts", asked(20, (0..70).collect()), vec![open((0..64).collect())]),
    ] {
        assert_eq!(plan(&view), want, "{name}");
    }
    let lost = View { demands: vec![(J, vec![1])], ..mining(20, 10, 300, 2) };
    assert_eq!(plan(&lost), [generate(Some(300))], "leaves first");
}

#[test]
fn others_tags_are_checked() {
    let (i, k) = ([4; 20], [5; 20]);
    let wrong = View { wrong_tags: vec![(i, J, 3), (i, J, 9), (k, J, 1)], ..at(29) };
    let accuse = |auditor, position| Action::AccuseTag { auditor, prover: J, position };
    assert_eq!(plan(&wrong), [accuse(i, 3), accuse(k, 1)], "one of each auditor");
    assert_eq!(plan(&View { height: 32, ..wrong.clone() }), [], "accusations are closed");
    assert_eq!(
        plan(&View { accused: [accuse(i, 3)].into(), ..wrong })[0],
        accuse(i, 9),
        "another tag of it is not"
    );
    let pending = View { cross_pending: 2, ..at(27) };
    assert_eq!(plan(&pending), [Action::CrossCheck]);
    assert_eq!(plan(&View { height: 32, ..pending }), []);
}

#[test]
fn judging() {
    let judge = |height, judge| View { judge: Some(judge), ..at(height) };
    let (none, all) = (JudgeView::default(), JudgeView { judged: 2, ..JudgeView::default() });
    let part = JudgeView { open: vec![1], judged: 1, ..JudgeView::default() };
    let nothing = JudgeView { open: vec![1], ..JudgeView::default() };
    let committed = JudgeView { committed: true, known: true, ..all.clone() };
    let compute = Action::Judge { cases: vec![1] };
    for (name, view, want) in [
        ("no case", judge(33, none), vec![]),
        ("a case is computed when it is seen", judge(22, part.clone()), vec![compute.clone()]),
        ("accusations may still come", judge(31, all.clone()), vec![]),
        ("all are known", judge(32, all.clone()), vec![Action::CommitJudgment]),
        ("not all are computed", judge(33, part.clone()), vec![compute.clone()]),
        ("the last chance", judge(34, part), vec![compute.clone(), Action::CommitJudgment]),
        ("nothing to say", judge(34, nothing), vec![compute]),
        ("too late", judge(35, all), vec![]),
        ("committed, revealing has not begun", judge(34, committed.clone()), vec![]),
        ("reveal", judge(35, committed.clone()), vec![Action::RevealJudgment]),
        ("the last block to reveal", judge(37, committed.clone()), vec![Action::RevealJudgment]),
        ("settled", judge(38, committed.clone()), vec![]),
        ("revealed", judge(36, JudgeView { revealed: true, ..committed.clone() }), vec![]),
        ("the journal was lost", judge(36, JudgeView { known: false, ..committed }), vec![]),
    ] {
        assert_eq!(plan(&view), want, "{name}");
    }
}

#[test]
fn rewards_are_claimed_in_batches() {
    let view = View { claimable: (0..150).collect(), ..at(50) };
    assert_eq!(plan(&view), [Action::Claim { epochs: (0..100).collect() }]);
}

/// Two actions with one key would run one after the other, and the second never.
#[test]
fn keys_are_unique_in_a_plan() {
    let opened = SampleView { lacks_path: true, ..good(0) };
    let mut view = mining(20, 100, 300, 2);
    view.audit = auditing(20, false, vec![opened, sample(1), known(2)]).audit;
    view.wrong_leaves = vec![(J, 1, 7), (J, 1, 8)];
    view.judge = Some(JudgeView { open: vec![1], ..JudgeView::default() });
    view.claimable = vec![1];
    let actions = plan(&view);
    let keys: BTreeSet<String> = actions.iter().map(Action::key).collect();
    assert_eq!(keys.len(), actions.len(), "{actions:?}");
    assert!(keys.len() > 5);
}
