"""The attributes that AWS documents for an Application Load Balancer and its parts, with their defaults."""

from __future__ import annotations

_HEADER_NAMES = {
    "mtls_clientcert_serial_number": "X-Amzn-Mtls-Clientcert-Serial-Number",
    "mtls_clientcert_issuer": "X-Amzn-Mtls-Clientcert-Issuer",
    "mtls_clientcert_subject": "X-Amzn-Mtls-Clientcert-Subject",
    "mtls_clientcert_validity": "X-Amzn-Mtls-Clientcert-Validity",
    "mtls_clientcert_leaf": "X-Amzn-Mtls-Clientcert-Leaf",
    "mtls_clientcert": "X-Amzn-Mtls-Clientcert",
    "tls_version": "X-Amzn-Tls-Version",
    "tls_cipher_suite": "X-Amzn-Tls-Cipher-Suite",
}
_HEADER_VALUES = (
    "strict_transport_security", "access_control_allow_origin", "access_control_allow_methods",
    "access_control_allow_headers", "access_control_allow_credentials", "access_control_expose_headers",
    "access_control_max_age", "content_security_policy", "x_content_type_options", "x_frame_options",
)  # fmt: skip


def _logs(kind: str) -> dict[str, str]:
    return {f"{kind}.s3.enabled": "false", f"{kind}.s3.bucket": "", f"{kind}.s3.prefix": ""}


#: Kind -> attribute -> what it is when nobody has set it.
DEFAULTS: dict[str, dict[str, str]] = {
    "load balancer": {
        "deletion_protection.enabled": "false",
        "idle_timeout.timeout_seconds": "60",
        "client_keep_alive.seconds": "3600",
        "ipv6.deny_all_igw_traffic": "false",
        "load_balancing.cross_zone.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.drop_invalid_header_fields.enabled": "false",
        "routing.http.preserve_host_header.enabled": "false",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
        "routing.http.xff_client_port.enabled": "false",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
        "waf.fail_open.enabled": "false",
        "zonal_shift.config.enabled": "false",
        **_logs("access_logs"),
        **_logs("connection_logs"),
        **_logs("health_check_logs"),
    },
    "target group": {
        "deregistration_delay.timeout_seconds": "300",
        "stickiness.enabled": "false",
        "stickiness.type": "lb_cookie",
        "stickiness.lb_cookie.duration_seconds": "86400",
        "stickiness.app_cookie.cookie_name": "",
        "stickiness.app_cookie.duration_seconds": "86400",
        "slow_start.duration_seconds": "0",
        "load_balancing.algorithm.type": "round_robin",
        "load_balancing.algorithm.anomaly_mitigation": "off",
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
        "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    },
    "listener": {
        "routing.http.response.server.enabled": "true",
        **{f"routing.http.response.{name}.header_value": "" for name in _HEADER_VALUES},
        **{
            f"routing.http.request.x_amzn_{name}.header_name": header
            for name, header in _HEADER_NAMES.items()
        },
    },
}

#: The numbers that an attribute takes.
RANGES: dict[str, tuple[range, ...]] = {
    "idle_timeout.timeout_seconds": (range(1, 4001),),
    "client_keep_alive.seconds": (range(60, 604_801),),
    "deregistration_delay.timeout_seconds": (range(3601),),
    "slow_start.duration_seconds": (range(1), range(30, 901)),
    "stickiness.lb_cookie.duration_seconds": (range(1, 604_801),),
    "stickiness.app_cookie.duration_seconds": (range(1, 604_801),),
}
