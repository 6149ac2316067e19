use super::*;
use crate::provider::Provider;

fn target(server: &str, model: &str) -> Target {
    let provider = Provider { is_local: true, ..Provider::sample(server, &[]) };
    Target { provider: Arc::new(provider), model: model.to_owned() }
}

fn order(servers: &Servers, targets: &[&Target], now: Instant) -> Vec<String> {
    let mut targets: Vec<Target> = targets.iter().copied().cloned().collect();
    servers.order(&mut targets, now);
    targets.iter().map(|target| target.provider.prefix.clone()).collect()
}

fn loads(servers: &Servers, target: &Target, context: u64, now: Instant) {
    servers.saw_loaded(target, Some(vec![("m:latest".to_owned(), Some(context))]), false, now);
}

#[test]
fn the_one_that_has_it_loaded_comes_first_then_who_has_least_to_do() {
    let now = Instant::now();
    let servers = Arc::new(Servers::default());
    let (a, b, c) = (target("a", "m"), target("b", "m:latest"), target("c", "M"));
    assert_eq!(order(&servers, &[&a, &b, &c], now), ["a", "b", "c"]);
    let first = servers.enter(&a, now);
    assert_eq!(order(&servers, &[&a, &b, &c], now), ["b", "c", "a"]);
    loads(&servers, &c, 4096, now);
    assert_eq!(order(&servers, &[&a, &b, &c], now), ["c", "b", "a"]);
    drop(first);
    assert_eq!(order(&servers, &[&a, &b, &c], now), ["c", "a", "b"]);
}

#[test]
fn a_queue_makes_loading_elsewhere_worth_while() {
    let now = Instant::now();
    let servers = Arc::new(Servers::default());
    let (a, b) = (target("a", "m"), target("b", "m"));
    loads(&servers, &a, 4096, now);
    let mut turns: Vec<Turn> = (0..LOADING).map(|_| servers.enter(&a, now)).collect();
    assert_eq!(order(&servers, &[&a, &b], now), ["a", "b"]);
    turns.push(servers.enter(&a, now));
    assert_eq!(order(&servers, &[&a, &b], now), ["b", "a"]);
    turns.clear();
    assert_eq!(order(&servers, &[&b, &a], now), ["a", "b"]);
}

#[test]
fn a_server_that_failed_rests_for_a_while() {
    let now = Instant::now();
    let servers = Servers::default();
    let (a, b) = (target("a", "m"), target("b", "m"));
    loads(&servers, &a, 4096, now);
    servers.failed(&a, Class::ProviderDown, now);
    assert_eq!(order(&servers, &[&a, &b], now), ["b", "a"]);
    assert!(!servers.is_unseen(&a, now));
    assert_eq!(order(&servers, &[&a, &b], now + REST), ["a", "b"]);
    servers.failed(&a, Class::Timeout, now);
    servers.answered(&a, true);
    assert_eq!(order(&servers, &[&b, &a], now), ["a", "b"]);
    // What is wrong with a request says nothing of the server.
    servers.failed(&a, Class::ContextTooLong, now);
    assert_eq!(order(&servers, &[&b, &a], now), ["a", "b"]);
}

#[test]
fn cloud_targets_stay_behind_the_local_ones() {
    let now = Instant::now();
    let servers = Arc::new(Servers::default());
    let cloud = Target { provider: Arc::new(Provider::sample("cloud", &["k"])), model: "m".to_owned() };
    let (a, b) = (target("a", "m"), target("b", "m"));
    let _turn = servers.enter(&a, now);
    assert_eq!(order(&servers, &[&a, &b, &cloud], now), ["b", "a", "cloud"]);
}

#[test]
fn what_was_asked_for_is_kept_until_the_model_is_gone() {
    let now = Instant::now();
    let servers = Arc::new(Servers::default());
    let a = target("a", "m");
    let turn = servers.enter(&a, now);
    servers.asks(&a, 16_384, false);
    assert_eq!(servers.known(&a).loaded, Some(16_384));
    // A look while it is being loaded doesn't list it.
    let other = servers.enter(&a, now);
    servers.saw_loaded(&a, Some(Vec::new()), true, now);
    assert_eq!(servers.known(&a).loaded, Some(16_384));
    drop((turn, other));
    servers.asks(&a, 2048, true);
    assert_eq!((servers.known(&a).loaded, servers.known(&a).raised), (Some(2048), 16_384));
    // No answer tells nothing; an empty list tells that it is gone.
    servers.saw_loaded(&a, None, false, now);
    assert_eq!(servers.known(&a).loaded, Some(2048));
    servers.saw_loaded(&a, Some(Vec::new()), false, now);
    assert_eq!((servers.known(&a).loaded, servers.known(&a).raised), (None, 0));
}

#[test]
fn a_servers_default_is_seen_where_nothing_was_asked_for() {
    let now = Instant::now();
    let servers = Servers::default();
    let a = target("a", "m");
    let facts = Facts { longest: Some(131_072), ..Facts::default() };
    servers.saw_facts(&a, Some(facts), now);
    loads(&servers, &a, 65_536, now);
    assert_eq!(servers.known(&a).default, None, "whoever loaded it may have asked for that");
    servers.saw_loaded(&a, Some(Vec::new()), false, now);
    servers.answered(&a, true);
    loads(&servers, &a, 32_768, now);
    assert_eq!(servers.known(&target("a", "other")).default, Some(32_768));
}

#[test]
fn a_context_that_the_server_could_not_load_is_not_asked_for_again() {
    let now = Instant::now();
    let servers = Servers::default();
    let a = target("a", "m");
    servers.asks(&a, 131_072, false);
    servers.failed(&a, Class::ProviderDown, now);
    assert_eq!((servers.known(&a).loaded, servers.known(&a).raised), (None, 0));
}

#[test]
fn a_context_that_was_not_used_for_long_is_looked_after() {
    let now = Instant::now();
    let servers = Arc::new(Servers::default());
    let a = target("a", "m");
    assert!(!servers.is_idle(&a, now), "there is nothing to keep");
    drop(servers.enter(&a, now));
    servers.asks(&a, 8192, false);
    let later = Instant::now() + IDLE;
    assert!(!servers.is_idle(&a, now) && servers.is_idle(&a, later));
    loads(&servers, &a, 8192, later);
    assert!(!servers.is_idle(&a, later));
}

#[test]
fn counts_correct_the_estimate_up_at_once_and_down_little_by_little() {
    let servers = Servers::default();
    let a = target("a", "m");
    servers.counted(&a, 100, 50);
    assert_eq!(servers.ratio(&a), None, "so few say nothing");
    servers.counted(&a, 500, 1000);
    assert_eq!(servers.ratio(&a), Some(0.5));
    servers.counted(&a, 900, 1000);
    assert_eq!(servers.ratio(&a), Some(0.9));
    servers.counted(&a, 500, 1000);
    assert_eq!(servers.ratio(&a), Some(0.8));
    servers.counted(&a, 1_000_000, 1000);
    assert_eq!(servers.ratio(&a), Some(RATIO_MAX));
}

#[test]
fn the_number_of_models_is_bounded() {
    let servers = Arc::new(Servers::default());
    for number in 0..MODELS_MAX + 50 {
        drop(servers.enter(&target("a", &format!("m{number}")), Instant::now()));
    }
    assert_eq!(servers.lock().get("a").map(|server| server.models.len()), Some(MODELS_MAX));
}

#[test]
fn a_name_means_the_same_model_with_and_without_its_tag() {
    assert_eq!([key("Llama3"), key("a/b:1b"), key("host:5000/x")], ["llama3:latest", "a/b:1b", "host:5000/x:latest"]);
}
