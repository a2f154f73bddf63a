"""In which tenant somebody acts: the one they name, else where they are at home, else their only one (A2, A4)."""

import uuid

import pytest

from akount.accounts import Permission
from akount.errors import BadRequest, NotAllowed, NotFound
from akount.identity.identities import Identity
from akount.models import Role

OURS, THEIRS, NOBODYS = (uuid.uuid4() for _ in range(3))
BOTH = {OURS: Role.OWNER, THEIRS: Role.VIEWER}


def test_the_only_tenant_need_not_be_named() -> None:
    actor = Identity({OURS: Role.ADMIN}, user_id=(user := uuid.uuid4())).act(None)
    assert (actor.tenant, actor.role, actor.user_id) == (OURS, Role.ADMIN, user)


def test_one_of_several_has_to_be_named() -> None:
    identity = Identity(BOTH)
    with pytest.raises(BadRequest) as refused:
        identity.act(None)
    assert refused.value.code == "tenant_required"
    assert identity.choose(None) is None
    assert [identity.act(tenant).role for tenant in BOTH] == [Role.OWNER, Role.VIEWER]


def test_who_names_none_acts_at_home() -> None:
    assert Identity(BOTH, home=THEIRS).act(None).tenant == THEIRS
    assert Identity(BOTH, home=THEIRS).act(OURS).tenant == OURS


def test_a_home_that_is_lost_is_none() -> None:
    assert Identity({OURS: Role.OWNER}, home=NOBODYS).act(None).tenant == OURS
    assert Identity(BOTH, home=NOBODYS).choose(None) is None


def test_a_tenant_that_is_not_theirs_does_not_exist() -> None:
    for identity in (Identity(BOTH), Identity({}), Identity({OURS: Role.OWNER}, home=OURS)):
        with pytest.raises(NotFound) as refused:
            identity.choose(NOBODYS)
        assert refused.value.code == "tenant_not_found"


def test_who_belongs_nowhere_does_nothing() -> None:
    with pytest.raises(NotAllowed) as refused:
        Identity({}).act(None)
    assert refused.value.code == "no_tenant"
    assert Identity({}).choose(None) is None


def test_an_operator_sees_all_tenants_or_the_one_they_name() -> None:
    identity = Identity({}, operator=True)
    assert (identity.act(None).role, identity.act(None).tenant_id) == (Role.OPERATOR, None)
    assert (identity.act(OURS).role, identity.act(OURS).tenant_id) == (Role.OPERATOR, OURS)


def test_scopes_go_with_the_actor() -> None:
    assert Identity(BOTH, scopes=frozenset({Permission.VIEW})).act(OURS).permissions == {Permission.VIEW}
