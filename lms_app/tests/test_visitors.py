import pytest
from lms_app.services import visitors


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("192.0.2.7, 198.51.100.1", "unknown"),
    ],
)
def test_an_address_is_one_visitor_and_so_is_a_network_that_one_visitor_has(address, counted):
    assert visitors.counted(address) == counted


@pytest.mark.parametrize(
    ("visitor", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::/64", "2001:db8:1::/48"),
        ("unknown", "unknown"),
    ],
)
def test_visitors_of_one_owner_are_in_one_network(visitor, network):
    assert visitors.network(visitor) == network
