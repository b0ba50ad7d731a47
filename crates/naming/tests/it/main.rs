//! Behaviour of the registry, told as scripts.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod guard;
mod script;

use script::check;

#[test]
fn silent_instance_turns_unhealthy_then_vanishes() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80
        15000  orders shows 10.0.0.1:80              # the limit itself still counts as alive
        15001  orders pushed
        15001  orders shows 10.0.0.1:80 unhealthy
        30000  orders shows 10.0.0.1:80 unhealthy
        30001  orders shows nothing
        ",
    );
}

#[test]
fn a_beat_keeps_an_instance_and_revives_it() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80
        14000  b1 beats orders
        29000  orders shows 10.0.0.1:80
        29001  orders shows 10.0.0.1:80 unhealthy
        40000  b1 beats orders
        40000  orders pushed
        40000  orders shows 10.0.0.1:80
        ",
    );
}

#[test]
fn a_beat_of_an_unknown_client_is_refused() {
    check(
        "
        0      b1 beats orders refused
        0      b1 registers orders 10.0.0.1:80
        1      b1 beats orders
        2      b1 deregisters orders
        3      b1 beats orders refused
        ",
    );
}

#[test]
fn metadata_of_an_instance_sets_its_own_limits() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80 preserved.heart.beat.timeout=2000 preserved.ip.delete.timeout=4000
        2000   orders shows 10.0.0.1:80 preserved.heart.beat.timeout=2000 preserved.ip.delete.timeout=4000
        2001   orders shows 10.0.0.1:80 unhealthy preserved.heart.beat.timeout=2000 preserved.ip.delete.timeout=4000
        4001   orders shows nothing
        ",
    );
}

/// The limits were read when the timer of the old ones fired: an instance that an operator gave two seconds stayed healthy
/// for fifteen.
#[test]
fn limits_laid_over_an_instance_count_at_once() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80
        1000   operator lays orders 10.0.0.1:80 preserved.heart.beat.timeout=2000 preserved.ip.delete.timeout=9000
        2000   orders shows 10.0.0.1:80 preserved.heart.beat.timeout=2000 preserved.ip.delete.timeout=9000
        2001   orders shows 10.0.0.1:80 unhealthy preserved.heart.beat.timeout=2000 preserved.ip.delete.timeout=9000
        3000   b1 beats orders
        3001   operator lifts orders 10.0.0.1:80
        18000  orders shows 10.0.0.1:80
        18001  orders shows 10.0.0.1:80 unhealthy
        20000  operator lays orders 10.0.0.1:80 preserved.ip.delete.timeout=9000
        20001  orders shows nothing
        ",
    );
}

#[test]
fn a_registered_connection_needs_no_beats() {
    check(
        "
        0        c1 registers orders 10.0.0.1:80
        1000000  orders shows 10.0.0.1:80
        ",
    );
}

#[test]
fn a_second_registration_of_a_client_replaces_the_first() {
    check(
        "
        0  c1 registers orders 10.0.0.1:80
        1  c1 registers orders 10.0.0.2:80
        1  orders shows 10.0.0.2:80
        2  c1 registers orders 10.0.0.3:80, 10.0.0.4:80
        2  orders shows 10.0.0.3:80, 10.0.0.4:80
        3  c1 registers orders
        3  orders shows nothing
        ",
    );
}

#[test]
fn the_same_registration_again_is_pushed_again() {
    check(
        "
        0  c1 registers orders 10.0.0.1:80
        0  orders pushed
        1  c1 registers orders 10.0.0.1:80
        1  orders pushed
        2  c1 deregisters orders
        2  orders pushed
        3  c1 deregisters orders
        3  orders quiet
        ",
    );
}

/// Two connections claimed one address; the older one broke, the newer one left, and for the rest of the hold the claim of
/// the broken one was shown again.
#[test]
fn a_hold_does_not_bring_back_what_a_newer_registration_hid() {
    check(
        "
        0    c1 registers orders 10.0.0.1:80 v=old
        1    c2 registers orders 10.0.0.1:80 v=new
        2    c1 breaks
        3    c2 deregisters orders
        3    orders shows nothing
        ",
    );
}

/// An address that stood twice in a batch was held and, on second sight, dropped: it vanished as the connection broke.
#[test]
fn an_instance_that_is_registered_twice_in_one_batch_is_held_as_well() {
    check(
        "
        0    c1 registers orders 10.0.0.1:80, 10.0.0.1:80
        100  c1 breaks
        599  orders shows 10.0.0.1:80
        600  orders shows nothing
        ",
    );
}

#[test]
fn a_client_that_comes_straight_back_causes_no_flap() {
    check(
        "
        0    c1 registers orders 10.0.0.1:80 v=old
        0    orders pushed
        100  c1 breaks
        100  orders quiet
        300  orders shows 10.0.0.1:80 v=old
        400  c2 registers orders 10.0.0.1:80 v=new
        400  orders pushed
        400  orders shows 10.0.0.1:80 v=new
        601  orders quiet
        900  orders shows 10.0.0.1:80 v=new
        ",
    );
}

#[test]
fn a_client_that_stays_away_is_dropped_after_the_hold() {
    check(
        "
        0    c1 registers orders 10.0.0.1:80
        100  c1 breaks
        599  orders shows 10.0.0.1:80
        600  orders pushed
        600  orders shows nothing
        ",
    );
}

#[test]
fn a_deregistration_acts_at_once_even_on_a_held_client() {
    check(
        "
        0   c1 registers orders 10.0.0.1:80
        10  c1 breaks
        20  c1 deregisters orders
        20  orders shows nothing
        ",
    );
}

#[test]
fn what_a_returning_client_left_out_vanishes_with_the_hold() {
    check(
        "
        0    c1 registers orders 10.0.0.1:80, 10.0.0.2:80
        100  c1 breaks
        200  c2 registers orders 10.0.0.2:80
        200  orders shows 10.0.0.1:80, 10.0.0.2:80
        600  orders pushed
        600  orders shows 10.0.0.2:80
        ",
    );
}

#[test]
fn the_newest_of_two_claims_is_shown_and_the_other_comes_back() {
    check(
        "
        0  c1 registers orders 10.0.0.1:80 from=c1
        1  c2 registers orders 10.0.0.1:80 from=c2
        1  orders shows 10.0.0.1:80 from=c2
        2  c2 deregisters orders
        2  orders shows 10.0.0.1:80 from=c1
        ",
    );
}

#[test]
fn a_service_takes_only_one_kind_of_instances() {
    check(
        "
        0  c1 registers orders 10.0.0.1:80
        0  orders pushed
        1  p1 registers orders 10.0.0.9:80 refused
        2  p1 deregisters orders
        2  orders quiet
        2  orders shows 10.0.0.1:80
        ",
    );
}

#[test]
fn an_empty_service_leaves_the_list_after_a_minute_and_forgets_its_kind() {
    check(
        "
        0      c1 registers orders 10.0.0.1:80
        1000   c1 deregisters orders
        60999  orders is listed
        61000  orders is unlisted
        61001  p1 registers orders 10.0.0.9:80
        61001  orders is listed
        ",
    );
}

#[test]
fn a_service_that_is_used_again_stays_listed() {
    check(
        "
        0      c1 registers orders 10.0.0.1:80
        1000   c1 deregisters orders
        50000  c1 registers orders 10.0.0.1:80
        61000  orders is listed
        70000  c1 deregisters orders
        121000 orders is listed
        130000 orders is unlisted
        ",
    );
}

#[test]
fn a_created_service_stays_until_it_is_deleted() {
    check(
        "
        0       operator creates orders
        900000  orders is listed
        900001  operator deletes orders
        900001  orders is unlisted
        ",
    );
}

#[test]
fn subscribing_neither_lists_a_service_nor_keeps_it() {
    check(
        "
        0      c2 subscribes orders
        0      c2 welcomed
        1      c2 subscribes orders
        1      c2 unwelcomed
        1      orders is unlisted
        2      c1 registers orders 10.0.0.1:80
        3      c1 deregisters orders
        60003  orders is unlisted
        60004  orders shows nothing
        ",
    );
}

#[test]
fn values_of_an_operator_win_until_they_are_taken_away() {
    check(
        "
        0  c1 registers orders 10.0.0.1:80 k=old
        1  operator lays orders 10.0.0.1:80 weight=7.5 k=new
        1  orders pushed
        1  orders shows 10.0.0.1:80 weight=7.5 k=new
        2  c1 registers orders 10.0.0.1:80 k=client
        2  orders shows 10.0.0.1:80 weight=7.5 k=new
        3  operator lifts orders 10.0.0.1:80
        3  orders shows 10.0.0.1:80 k=client
        ",
    );
}

#[test]
fn a_lost_connection_ends_its_subscriptions_at_once() {
    check(
        "
        0  c2 subscribes orders
        0  c2 welcomed
        1  c2 breaks
        2  c2 subscribes orders
        2  c2 welcomed
        ",
    );
}

#[test]
fn a_service_comes_with_its_first_client_and_goes_with_its_last() {
    // Recorded: `naming-fuzzy-change`.
    check(
        "
        0      c1 subscribes orders
        0      nothing comes or goes
        1      c1 registers orders 10.0.0.1:80
        1      orders comes
        2      c1 registers orders 10.0.0.2:80
        2      c2 registers orders 10.0.0.3:80
        2      c1 deregisters orders
        2      nothing comes or goes
        3      c2 deregisters orders
        3      orders goes
        3      orders is listed
        4      c1 registers orders 10.0.0.1:80
        4      orders comes
        5      c1 breaks
        504    nothing comes or goes                 # held
        505    orders goes
        ",
    );
}

#[test]
fn a_service_whose_client_comes_straight_back_never_goes() {
    check(
        "
        0      c1 registers orders 10.0.0.1:80
        0      orders comes
        1      c1 breaks
        2      c2 registers orders 10.0.0.1:80
        501    orders shows 10.0.0.1:80
        501    nothing comes or goes
        ",
    );
}

#[test]
fn a_service_goes_with_its_last_silent_client() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80
        0      orders comes
        30000  nothing comes or goes
        30001  orders goes
        ",
    );
}

#[test]
fn a_service_made_by_hand_comes_with_its_first_client() {
    check(
        "
        0      operator creates orders
        0      nothing comes or goes
        1      p1 registers orders 10.0.0.1:80
        1      orders comes
        2      p1 deregisters orders
        2      orders goes
        ",
    );
}

#[test]
fn a_check_changes_what_a_persistent_instance_counts_as() {
    check(
        "
        0      p1 registers orders 10.0.0.1:80
        0      orders pushed
        5      p1 in orders turns healthy
        5      orders quiet                          # it was healthy
        10     p1 in orders turns unhealthy
        10     orders pushed
        10     orders shows 10.0.0.1:80 unhealthy
        90000  orders shows 10.0.0.1:80 unhealthy    # it is never removed for that
        90001  p1 registers orders 10.0.0.1:80
        90001  orders shows 10.0.0.1:80              # what its client says counts until the next check
        90002  p1 deregisters orders
        90003  p1 in orders turns unhealthy refused
        ",
    );
}

#[test]
fn a_subscriber_without_a_connection_stays_for_as_long_as_it_polls() {
    check(
        "
        0      b1 subscribes orders
        0      b1 welcomed
        25000  b1 subscribes orders
        25000  b1 unwelcomed
        30001  orders tells b1
        55000  orders tells b1               # the limit itself still counts
        55001  orders tells nobody
        60000  b1 subscribes orders
        60000  b1 welcomed
        90000  orders tells b1
        90001  orders tells nobody
        ",
    );
}

#[test]
fn each_service_that_is_polled_lapses_on_its_own() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80     # it publishes and subscribes under one address
        0      b1 subscribes orders
        1      b1 subscribes stock
        20000  b1 subscribes stock
        30001  orders tells nobody
        30001  orders shows nothing
        50000  stock tells b1
        50001  stock tells nobody
        ",
    );
}

#[test]
fn subscribers_with_and_without_a_connection_are_told_alike() {
    check(
        "
        0      c2 subscribes orders
        1      b1 subscribes orders
        2      orders tells c2 b1
        3      c1 registers orders 10.0.0.1:80
        3      orders pushed
        30002  orders tells c2
        ",
    );
}
