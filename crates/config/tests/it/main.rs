//! Behaviour of the catalogue, told as scripts.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod script;

use script::check;

#[test]
fn a_published_content_is_what_everybody_reads() {
    check(
        "
        publish d one          -> kept, told
        read d                 -> one
        publish d two          -> kept, told
        read d                 -> two
        remove d               -> kept, told
        read d                 -> nothing
        remove d               -> nothing kept, not told
        ",
    );
}

#[test]
fn only_another_content_is_told() {
    check(
        "
        publish d one             -> kept, told
        publish d one             -> kept, not told
        publish d one type=json   -> kept, not told
        ",
    );
}

#[test]
fn compare_and_set_needs_the_stored_digest() {
    check(
        "
        publish d one if two      -> kept, told          # nothing there yet: the condition is ignored
        publish d two if nine     -> raced
        read d                    -> one
        publish d two if one      -> kept, told
        read d                    -> two
        publish d three if TWO    -> raced               # upper case matches nothing
        ",
    );
}

#[test]
fn a_beta_version_is_for_its_addresses() {
    check(
        "
        publish d one                      -> kept, told
        publish d two beta=10.1.1.1,10.1.1.9 -> kept, told
        read d ip=10.1.1.9                 -> two (beta)
        read d ip=10.1.1.2                 -> one
        publish d three beta=10.1.1.2      -> kept, told
        read d ip=10.1.1.2                 -> three (beta)
        read d ip=10.1.1.9                 -> one
        remove d gray=beta                 -> kept, told
        read d ip=10.1.1.2                 -> one
        ",
    );
}

#[test]
fn a_gray_version_needs_no_formal_one_and_survives_it() {
    check(
        "
        publish d two beta=10.1.1.1  -> kept, told
        read d ip=10.1.1.1           -> two (beta)
        read d ip=10.1.1.2           -> nothing
        remove d                     -> nothing kept, not told
        read d ip=10.1.1.1           -> two (beta)
        ",
    );
}

#[test]
fn a_tag_that_is_asked_for_must_be_there() {
    check(
        "
        publish d one               -> kept, told
        publish d two tag=blue      -> kept, told
        read d tag=blue             -> two (tag_blue)
        read d tag=green            -> nothing
        read d carries=blue         -> two (tag_blue)
        read d carries=green        -> one
        read d                      -> one
        remove d gray=blue          -> no such gray version
        remove d gray=tag_blue      -> kept, told
        read d tag=blue             -> nothing
        ",
    );
}

#[test]
fn beta_is_tried_before_tags() {
    check(
        "
        publish d two tag=blue       -> kept, told
        publish d three beta=10.1.1.1 -> kept, told
        read d tag=blue ip=10.1.1.1  -> three (beta)
        ",
    );
}

#[test]
fn a_config_has_at_most_ten_gray_versions() {
    let mut script = String::new();
    for n in 0..10 {
        script += &format!("publish d two tag=g{n} -> kept, told\n");
    }
    script += "publish d two tag=g10       -> too many gray versions\n";
    script += "publish d two beta=10.1.1.1 -> too many gray versions\n";
    script += "publish d again tag=g0      -> kept, told\n";
    check(&script);
}

#[test]
fn what_a_publisher_leaves_unsaid_is_kept_or_cleared() {
    check(
        "
        publish d one app=shop desc=first tags=a,b type=json -> kept, told
        shows d                                              -> json app=shop desc=first tags=a,b
        publish d two                                        -> kept, told
        shows d                                              -> text app=shop tags=a,b
        publish d two tags=c                                 -> kept, not told
        shows d                                              -> text app=shop tags=c
        ",
    );
}

#[test]
fn history_shows_the_new_content_of_an_insert_and_the_old_one_of_what_follows() {
    check(
        "
        publish d one -> kept, told
        publish d two -> kept, told
        remove d      -> kept, told
        publish d one -> kept, told
        history d     -> I one, U one, D two, I one
        ",
    );
}

#[test]
fn history_tells_gray_versions_apart() {
    check(
        "
        publish d one               -> kept, told
        publish d two beta=10.1.1.1 -> kept, told
        remove d gray=beta          -> kept, told
        history d                   -> I one, I two (beta), D two (beta)
        ",
    );
}
