"""MiniStack, and every name of it that this project uses.

Most of these names are private, and releases are frequent: the release is pinned exactly, `load` refuses any
other, and asserts that each name below exists before anything starts. Code elsewhere gets MiniStack's modules
from `module`, which hands out only the names listed here; so this list is complete by construction.
"""

from __future__ import annotations

import importlib
import logging
import os
from functools import cache
from importlib.metadata import version
from typing import Any

from localcloud.state import StateDir

#: The release this was written for.
VERSION = "1.5.33"

#: What the gateway answers for; everything else is refused by MiniStack's router.
SERVICES = (
    "acm", "cloudformation", "dynamodb", "ec2", "ecr", "ecs", "ecs-metadata", "elasticloadbalancing",
    "events", "iam", "kms", "logs", "monitoring", "route53", "s3", "secretsmanager", "sns", "sqs", "ssm",
    "sts", "tagging", "wafv2",
)  # fmt: skip

#: Module below `ministack` -> the names used from it.
NAMES: dict[str, tuple[str, ...]] = {
    "app": (
        "app", "_MAIN_LOOP", "_build_persistence_save_dict", "_get_module", "_is_ecr_registry_path",
        "_load_persisted_state", "_state_map",
    ),
    "core.persistence": ("PERSIST_STATE", "STATE_DIR", "_json_default", "_state_format_version"),
    "core.hypercorn_compat": ("install",),
    "core.arn": ("parse_arn",),
    "core.router": ("extract_region",),
    "core.responses": (
        "get_account_id", "get_region", "json_response", "now_iso", "new_uuid", "AccountRegionScopedDict",
        "request_scope",
        "set_request_account_id",
        "set_request_region",
    ),
    "services.cloudformation": ("_stacks",),
    "services.cloudformation.engine": (
        "CfnLoader", "_NO_VALUE", "_construct_cfn_tag", "_evaluate_conditions", "_intrinsic_references",
        "_resolve_refs",
    ),
    "services.cloudformation.provisioners": (
        "_acm_certificate_create", "_acm_certificate_delete", "_cw_metric_alarm_put",
        "_cw_metric_alarm_record", "_cwlogs_metric_filter_payload", "_ddb_create", "_ddb_delete",
        "_ddb_update", "_ec2_apply_tags",
        "_elbv2_listener_create", "_elbv2_listener_delete", "_elbv2_listener_rule_create",
        "_elbv2_listener_rule_delete", "_elbv2_listener_rule_update", "_elbv2_listener_tls",
        "_elbv2_listener_update", "_elbv2_merge_attributes", "_elbv2_tags", "_iam_managed_policy_create",
        "_iam_managed_policy_update", "_iam_role_create", "_iam_role_update", "_physical_name",
        "_property_recreation", "_replacing_change", "_r53_record_set_build_rs", "_r53_record_set_create",
        "_r53_record_set_update", "_r53_resolve_hosted_zone_id", "_reconcile_tag_list",
        "_RESOURCE_HANDLERS", "_s3_bucket_policy_create",
        "_s3_bucket_policy_update", "_s3_create", "_s3_delete", "_s3_update", "_sm_secret_create",
        "_sm_secret_delete", "_sm_secret_update", "_sns_sub_create", "_STACK_TAG_PROPERTY",
        "_waf_web_acl_create", "_waf_web_acl_delete", "_waf_web_acl_update",
    ),
    "services.cloudformation.drift": ("_DRIFT_READERS",),
    "services.cloudformation.stacks": (
        "_add_event", "_delete_resource", "_deploy_stack_async", "_failed_operation", "_update_resource",
        "_property_recreation", "_provision_keeping_seed", "_replacing_change", "_resolve_stack_outputs",
        "_roll_back_operation",
        "_runs_on_worker_thread", "_sends_back_failed_update", "_update_keeping_seed", "_with_stack_tags",
    ),
    "services.cloudformation.changesets": (
        "_add_event", "_deploy_stack_async", "_diff_resources", "_find_change_set", "_resolve_props_for_diff",
    ),
    "services.cloudformation.handlers": (
        "_ACTION_HANDLERS", "_add_event", "_capabilities_enforced", "_deploy_stack_async", "_resolve_stack",
        "_roll_back_operation",
    ),
    "services.cloudformation.helpers": ("_error", "_xml"),
    "services.cloudwatch": (
        "_alarms", "_cbor_ok", "_cbor_timestamp", "_composite_alarms", "_delete_alarms",
        "_dispatch_alarm_actions", "_error", "_evaluate_alarm", "_evaluate_all_alarms",
        "_evaluate_parent_alarms", "_evict_old_metrics", "_get_metric_data", "_get_metric_statistics",
        "_dashboards", "_delete_dashboards", "_get_dashboard", "_list_dashboards", "_put_dashboard",
        "cloudformation_delete_dashboard", "cloudformation_put_dashboard", "_history_entries",
        "_list_metrics", "_parse_ts", "_put_composite_alarm", "_put_metric_alarm",
        "_put_metric_data", "_record_history", "_rule_ref_name", "_set_alarm_state", "_store_datum",
        "_ts_iso", "_xml",
        "cloudformation_put_metric_alarm", "cloudformation_set_metric_alarm_tags", "record_metric",
    ),
    "services.eventbridge": (
        "_archive_event", "_cron_next_fire", "_delete_rule", "_disable_rule", "_dispatch_event",
        "_dispatch_to_event_bus", "_dispatch_to_sqs", "_enable_rule", "_ensure_default_bus",
        "_event_bus_name_from_ref",
        "_events_log_list", "_invoke_target", "_now_ts", "_parse_cron_fields", "_pattern_event_view",
        "_put_rule", "_put_targets", "_render_input_template", "_rule_key", "_rules", "_tag_resource",
        "_targets", "error_response_json",
    ),
    "services.ec2": (
        "_addresses", "_allocate_address", "_authorize_sg_egress", "_authorize_sg_ingress",
        "_create_egress_only_igw", "_create_flow_logs", "_create_nat_gateway", "_delete_egress_only_igw",
        "_delete_flow_logs", "_delete_nat_gateway", "_egress_igws", "_ensure_defaults_initialized",
        "_flow_logs", "_nat_gateways",
        "_network_interfaces", "_release_address", "_revoke_sg_egress", "_revoke_sg_ingress", "_route_tables",
        "_security_groups", "_subnet_fields_xml", "_subnets", "_vpc_endpoints", "_vpc_fields_xml",
        "_vpcs",
    ),
    "services.ecr": (
        "_delete_repository", "_describe_images", "error_response_json", "_find_image",
        "_get_authorization_token", "_images", "_layer_blobs", "_manifest_blobs", "_registry_error",
        "_registry_ok", "_repo_uri", "_repositories", "_resolve_manifest", "_select_registry_request_scope",
        "_v2_get_blob", "_v2_put_manifest", "handle_registry_request",
    ),
    "services.ecs": (
        "_ACTION_MAP", "_awslogs_config", "_cluster_view", "_clusters", "_create_service", "_delete_cluster",
        "_delete_service", "_describe_clusters", "_describe_services", "_describe_tasks",
        "_ensure_awslogs_stream", "error_response_json", "_get_docker", "_iso", "json_response",
        "_launch_choice", "_list_services", "_list_tasks", "_make_deployment", "_maybe_mark_stopped",
        "_put_cluster_capacity_providers", "_reconcile_service_tasks", "_recount_cluster",
        "_refresh_service_state", "_register_task_definition", "_resolve_cluster_name",
        "_resolve_container_secrets", "_resolve_service_ref", "_resolve_task", "_resolve_td_key",
        "run_reentrant", "_run_task", "_sanitize", "_SecretResolutionError", "_services", "_stop_task",
        "_sync_service_targets", "_tag_resource", "_tags", "_task_defs", "_tasks",
        "_untag_resource", "_update_service",
    ),
    "services.acm": (
        "_certificates", "_delete_certificate", "_import_certificate", "_request_certificate",
    ),
    "services.route53": (
        "_build_health_check_el", "_change_resource_record_sets", "_create_health_check",
        "_parse_record_set", "_rs_key", "_delete_health_check", "_error_response", "_find",
        "_findall", "_hc_caller_refs", "_health_checks", "_parse_body", "_parse_health_check_config",
        "_records", "_tags", "_text", "_update_health_check", "_xml_response", "_zones", "handle_request",
    ),
    "services.sns": (
        "_confirm_subscription", "_deliver_to_sqs", "_fanout", "_matches_filter_policy",
        "_resolve_message_for_protocol", "_send_subscription_confirmation", "_topics", "_unsubscribe",
        "publish_internal",
    ),
    "services.sqs": ("_queue_by_arn",),
    "services.dynamodb": (
        "_create_table", "_describe_continuous_backups", "drop_stream_records", "_emit_stream_event",
        "error_response_json", "_extract_key_val", "handle_request", "_items_replaced", "json_response",
        "_normalize_table_name", "_pitr_settings", "_remove_item", "_replica_group", "_replicate_write",
        "_restore_create_request", "_restore_table_to_point_in_time", "_set_item", "_table_description",
        "_tables", "_tags", "_ttl_settings", "_update_continuous_backups", "_update_table", "_update_ttl",
        "_vector_index_info",
    ),
    "services.s3": ("_buckets", "_put_object"),
    "services.secretsmanager": ("_secrets",),
    "services.iam": (
        "_create_oidc_provider", "_delete_oidc_provider", "_oidc_providers", "_policies", "_roles",
    ),
    "services.waf": (
        "_associate_web_acl", "_associations", "_create_ip_set", "_delete_ip_set",
        "_disassociate_web_acl", "handle_request", "_ip_sets", "_regex_pattern_sets",
        "_resolve_local_waf_resource_arn", "_resolve_local_web_acl", "_resource_from_scope", "_rule_groups",
        "_update_ip_set", "_waf_err", "web_acl_record", "_web_acls",
    ),
    "services.alb": (
        "_ACTION_MAP", "_action_xml", "_attrs_xml", "_empty", "_error", "_lb_attrs", "_lb_xml", "_lbs",
        "_listener_attrs", "_listener_xml", "_listeners", "_p", "_parse_actions", "_parse_member_list",
        "_parse_targets_param", "_rules", "_tags", "_targets", "_tg_attrs", "_tg_xml", "_tgs", "_xml",
    ),
    "services.cloudwatch_logs": (
        "_create_log_stream", "_deliveries", "_delivery_destinations", "_delivery_sources", "_destinations",
        "_filter_log_events", "_get_log_events", "_log_events_lock", "_log_group_policies", "_log_groups",
        "_log_records", "_metric_filters", "_put_log_events", "_put_metric_filter", "_queries",
        "_resolve_log_group_name", "_resource_policies", "error_response_json", "get_state",
        "handle_request", "json_response",
    ),
    "services.ecs_metadata": (
        "handle_request",
    ),
    "services.ssm": ("resolve_parameter_value",),
}  # fmt: skip


class EmulatorError(RuntimeError):
    """The installed MiniStack is not the one this layer was written for."""


class _Module:
    """A MiniStack module that hands out, and takes, only the names that `NAMES` lists."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_module", importlib.import_module(f"ministack.{name}"))

    def _known(self, name: str) -> Any:
        if name not in NAMES[self._name]:
            raise EmulatorError(f"localcloud/emulator.py does not list ministack.{self._name}.{name}")
        return self._module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known(name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._known(name), name, value)


@cache
def module(name: str) -> Any:
    """The MiniStack module `ministack.<name>`, limited to the names in `NAMES`.

    Only after `configure`: MiniStack reads its environment when it is imported.
    """
    if "LOCALCLOUD_CONFIGURED" not in os.environ:
        raise EmulatorError("emulator.configure must come before the first use of MiniStack")
    return _Module(name)


def configure(state: StateDir, port: int) -> None:
    """Set the environment that MiniStack reads when it is imported.

    Every default that would listen beyond loopback, or write below the system's temporary directory, is
    named.
    """
    os.environ.update(
        {
            "LOCALCLOUD_CONFIGURED": "1",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": "us-east-1",
            "MINISTACK_ACCOUNT_ID": "000000000000",
            "SERVICES": ",".join(SERVICES),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state.emulator),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state.objects),
            # Both bind all interfaces, whatever BIND_HOST says.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        }
    )
    for name in ("AUTH", "USE_SSL", "LOCALSTACK_PERSISTENCE", "EDGE_PORT", "MINISTACK_VERSION"):
        os.environ.pop(name, None)


def load() -> None:
    """Import MiniStack and check that it is the release, and has the names, this layer was written for.

    Raises EmulatorError naming everything that is missing.
    """
    installed = version("ministack")
    if installed != VERSION:
        raise EmulatorError(
            f"MiniStack {installed} is installed, but localcloud was written for {VERSION}. Install the "
            f"pinned "
            f"requirements (localcloud/requirements.txt)."
        )
    missing = []
    for name, used in NAMES.items():
        found = importlib.import_module(f"ministack.{name}")
        missing += [f"ministack.{name}.{attribute}" for attribute in used if not hasattr(found, attribute)]
    if missing:
        raise EmulatorError(f"MiniStack {installed} lacks {', '.join(missing)}, which localcloud uses.")
    logging.getLogger("localcloud").debug("MiniStack %s has every name", installed)
