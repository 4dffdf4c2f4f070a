"""Every method that changes or tells something leaves a leaf of the log, or is said why not.

1. Every method of every policy table stands here, once: with the kinds of its records, or the
   reason why it has none. A method that is added without saying so fails.
2. Every kind is one that the code of its own feature records.
3. What reads personal data is no exception: the answer itself is recorded.
"""

import ast
import importlib
from pathlib import Path

import pytest

from portal.auditor.kinds import KINDS

ROOT = Path(__file__).parents[2]

CATALOG = "the catalog is public to every caller: it holds descriptions, no data of persons"
DECISIONS = "who may what, told to those it concerns and to auditors; no data of persons"
LOG = "the log itself, public to every caller; reading it leaves no trace on purpose"
LISTS = "lists of duties, public to every caller"
OWN = "its caller's own material"
PUBLIC = "public material: certificates, lists, verdicts of what the caller brought"

#: By the module and name of a policy table: by method, its kinds, or why it has none.
TABLES: dict[tuple[str, str], dict[str, str | tuple[str, ...]]] = {
    ("exchange.catalog.rpc", "POLICY"): {
        "CreateDepartment": ("department_created",),
        "UpdateDepartment": ("department_changed",),
        "ApplyDirectory": ("directory_applied",),
        **dict.fromkeys((
            "GetDepartment", "ListDepartments", "GetDataResource", "ListDataResources",
            "GetServiceItem", "ListServiceItems", "ListVersions", "CompareVersions",
            "CompareServiceItems", "SearchCatalog", "GetTitles",
        ), CATALOG),
    },
    ("exchange.discovery.rpc", "POLICY"): dict.fromkeys(("Discover", "GetDescriptor"), CATALOG),
    ("exchange.grants.rpc", "POLICY"): {
        "CreateAccessRequest": ("access_requested", "access_approved"),
        "ApproveAccessRequest": ("access_approved", "access_proposed"),
        "RejectAccessRequest": ("access_rejected",),
        "ReturnAccessRequest": ("access_returned",),
        "ResubmitAccessRequest": ("access_resubmitted",),
        "WithdrawAccessRequest": ("access_withdrawn",),
        "EndorseAccessRequest": ("access_approved",),
        "RevokeGrant": ("grant_revoked",),
        "NarrowGrant": ("grant_narrowed",),
        **dict.fromkeys((
            "GetAccessRequest", "ListAccessRequests", "GetGrant", "ListGrants",
            "ListGrantVersions", "GetGrantContract",
        ), DECISIONS),
    },
    ("exchange.oversight.rpc", "POLICY"): dict.fromkeys(
        ("ExplainAccess", "WhatIf", "WhatIfCatalog", "ReportGrantUse"), DECISIONS
    )
    | {"PreviewGrant": "made-up records; how many are held, to their source"},
    ("exchange.monitoring.rpc", "POLICY"): dict.fromkeys(
        ("ListCallRecords", "ListAlerts", "MeasureTraffic"),
        "what systems called, for those who oversee them; no data of persons",
    ),
    ("exchange.delivery.rpc", "POLICY"): {
        "Publish": ("batch_published",),
        "CreateSubscription": ("subscription_created",),
        "DeleteSubscription": ("subscription_ended",),
        "PullChanges": ("changes_delivered",),
        "Subscribe": ("changes_delivered",),
        "AcknowledgeChanges": "moves the caller's own cursor; what was sent is recorded already",
        "RejectChange": ("change_rejected", "dead_letter_made"),
        "GetDeadLetter": ("changes_delivered",),
        "ReplayDeadLetters": ("dead_letters_replayed",),
        "CloseDeadLetters": ("dead_letters_closed",),
        **dict.fromkeys(("GetSubscription", "ListSubscriptions", "ListDeadLetters"), OWN),
    },
    ("exchange.query.rpc", "POLICY"): {
        "Query": ("query", "batch_query", "query_refused", "queries_refused"),
        "BatchQuery": ("batch_query", "query_refused", "queries_refused"),
        "Verify": ("verify", "query_refused", "queries_refused"),
        "Export": ("export", "query_refused", "queries_refused"),
        "MyAccess": ("accesses_told",),
    },
    ("exchange.files.rpc", "POLICY"): {
        # What is shown is recorded file by file by the worker: kinds export and file_exported.
        "CreateExportJob": ("export_job_created", "export", "file_exported", "query_refused"),
        "CancelExportJob": ("export_job_ended",),
        "CreateDownloadLinks": ("file_links_made",),
        "DownloadPart": ("file_downloaded",),
        **dict.fromkeys(("GetExportJob", "ListExportJobs"), OWN),
    },
    ("exchange.spatial.rpc", "POLICY"): {
        "SpatialQuery": ("spatial_query", "query_refused", "queries_refused"),
        "DrawResource": "what is open to the public, or the caller's own records",
    },
    ("exchange.quality.rpc", "POLICY"): {
        "MeasureQuality": ("quality_measured",),
        "GetQuality": "counts of a resource's own records; no data of persons",
    },
    ("exchange.syncing.rpc", "POLICY"): {
        "RecordSyncRun": ("directory_synced",),
        "SettleSyncReject": ("sync_reject_settled",),
        **dict.fromkeys(("GetSyncRun", "ListSyncRuns"), CATALOG),
    },
    ("exchange.systems.rpc", "POLICY"): {"ListSystems": PUBLIC},
    ("exchange.connecting.rpc", "POLICY"): {
        "PutEndpoint": ("endpoint_put",),
        "DeleteEndpoint": ("endpoint_deleted",),
        "TestEndpoint": ("endpoint_tried",),
        "ApproveHost": ("host_approved",),
        "DisapproveHost": ("host_disapproved",),
        **dict.fromkeys(("GetEndpoint", "ListEndpoints", "ListApprovedHosts"),
                        "addresses of systems, told to those who keep them; no data of persons"),
    },
    ("exchange.sources.rpc", "POLICY"): {
        "MeasureElement": ("element_measured", "source_case_measured", "source_case_opened"),
        "DecideSourceCase": ("source_case_decided",),
        "DismissSourceCase": ("source_case_dismissed",),
        "ListDifferingKeys": ("differing_keys_listed",),
        **dict.fromkeys((
            "ListSharedElements", "GetSourceCase", "ListSourceCases", "GetAuthoritativeSource",
        ), DECISIONS),
    },
    ("exchange.deadlines.rpc", "POLICY"): {
        "PauseDeadline": ("deadline_paused",),
        "ResumeDeadline": ("deadline_resumed",),
        "ExtendDeadline": ("deadline_extended",),
        "SendNotices": ("notices_sent",),
        "AcknowledgeNotice": ("notice_acknowledged",),
        "PutJurisdiction": ("jurisdiction_put",),
        "DeleteJurisdiction": ("jurisdiction_deleted",),
        "PutWorkYear": ("work_year_put",),
        **dict.fromkeys((
            "GetDeadline", "ListDeadlines", "ReportLateness", "ListNotices", "ListJurisdictions",
            "ListWorkYears", "CountWorkdays",
        ), DECISIONS),
    },
    ("exchange.corrections.rpc", "POLICY"): {
        "SubmitCorrection": ("correction_submitted",),
        "ReviewCorrection": ("correction_reviewed",),
        # Who is told is found after the answer, by the tracer.
        "AnswerCorrection": ("correction_answered", "correction_notices_made"),
        "WithdrawCorrection": ("correction_withdrawn",),
        "MyCorrections": ("corrections_told",),
        "AcknowledgeCorrectionNotice": ("correction_notice_acknowledged",),
        **dict.fromkeys((
            "GetCorrection", "ListCorrections", "GetCorrectionLineage", "ListCorrectionNotices",
        ), OWN),
    },
    ("exchange.inquiries.rpc", "POLICY"): {
        "UploadAttachment": ("attachment_uploaded",),
        "DownloadAttachment": ("attachment_read",),
        "SendInquiry": ("inquiry_sent",),
        "AnswerInquiry": ("inquiry_answered",),
        "CloseInquiry": ("inquiry_closed",),
        "WithdrawInquiry": ("inquiry_withdrawn",),
        **dict.fromkeys(("GetInquiry", "ListInquiries"), OWN),
    },
    ("exchange.lists.rpc", "POLICY"): {
        "ListGrantCollisions": DECISIONS,
        "PutResponsibility": ("responsibility_put",),
        "RemoveResponsibility": ("responsibility_removed",),
        "CreateDemand": ("demand_made",),
        "AnswerDemand": ("demand_answered",),
        "WithdrawDemand": ("demand_withdrawn",),
        "PutNegative": ("negative_put",),
        "RemoveNegative": ("negative_removed",),
        **dict.fromkeys((
            "ListResponsibilities", "CompareDelivery", "ListDemands", "ListNegatives",
            "ListRowVersions",
        ), LISTS),
    },
    ("exchange.audit.rpc", "POLICY"): {
        "VerifySavedRecord": PUBLIC,
        "RecordEvents": "appends the leaves of the node's other services, whatever their kinds",
        "RegisterWitness": ("witness_registered",),
        "RemoveWitness": ("witness_removed",),
        "AddCosignature": "the log would grow by being watched; a cosignature is its own evidence",
        "EraseSalts": ("salt_erased", "salts_erased"),
        "ThinCheckpoints": ("checkpoints_thinned",),
        **dict.fromkeys((
            "GetCheckpoint", "GetInclusionProof", "GetConsistencyProof", "ListEntries",
            "ListWitnesses",
        ), LOG),
    },
    ("seal.rpc", "POLICY"): {
        "CreateSeal": ("seal_requested",),
        "ApproveSeal": ("seal_approved", "seal_change_approved"),
        "RejectSeal": ("seal_rejected", "seal_change_rejected"),
        "FreezeSeal": ("seal_frozen",),
        "UnfreezeSeal": ("seal_unfrozen",),
        "RevokeSeal": ("seal_revoked",),
        "UpdateSealAuthorization": ("seal_change_requested",),
        **dict.fromkeys(
            ("SealDocument", "StreamSealDocument", "BatchSealDocuments"), ("document_sealed",)
        ),
        **dict.fromkeys(("ListSealings", "ListSealEvents", "GetSeal", "ListSeals"), DECISIONS),
        **dict.fromkeys((
            "VerifyDocument", "StreamVerifyDocument", "VerifySealSignature", "GetTrustMaterial",
            "MakeEvidence",
        ), PUBLIC),
    },
    ("seal.recognition.rpc", "POLICY"): {
        "ProposeAuthority": ("authority_proposed",),
        "ProposeAuthorityChange": ("authority_change_proposed",),
        "ApproveAuthority": ("authority_approved", "authority_change_approved"),
        "RejectAuthority": ("authority_rejected",),
        "WithdrawAuthority": ("authority_withdrawn",),
        "AddRevocationList": ("authority_list_added",),
        **dict.fromkeys(("GetAuthority", "ListAuthorities", "ListAuthorityEvents"), PUBLIC),
    },
    ("licenses.rpc", "POLICY"): {
        "PutLicenseType": ("license_type_put",),
        "IssueLicense": ("license_issued",),
        "CorrectLicense": ("license_corrected", "license_issued"),
        "RenewLicense": ("license_renewed", "license_issued"),
        "TransferLicense": ("license_transferred", "license_issued"),
        "SuspendLicense": ("license_suspended",),
        "ResumeLicense": ("license_resumed",),
        "RevokeLicense": ("license_revoked",),
        "CancelLicense": ("license_cancelled", "license_abandoned"),
        "ListHeldLicenses": ("held_licenses_listed",),
        "GetLicenseDocument": ("license_document_read",),
        **dict.fromkeys(
            ("GetLicenseType", "ListLicenseTypes", "ListLicenseTypeVersions"), CATALOG
        ),
        **dict.fromkeys(("GetLicense", "ListLicenses"), OWN),
    },
    ("licenses.presentations.rpc", "POLICY"): {
        "PresentLicense": ("license_presented",),
        "VerifyPresentation": ("presentation_verified",),
        "EndPresentation": ("presentation_ended",),
        "ListPresentations": OWN,
        "ListLooks": ("looks_told",),
    },
    ("licenses.wallets.rpc", "POLICY"): {
        "IssueWalletCredential": ("wallet_credential_issued",),
        "CreatePresentationRequest": ("wallet_asked",),
        "SubmitPresentation": ("wallet_answered",),
        **dict.fromkeys(("GetPresentationResult", "GetRequestObject"), OWN),
    },
    ("licenses.verifying.rpc", "POLICY"): {
        "VerifyLicense": ("license_verified",),
    },
    ("licenses.sharing.rpc", "POLICY"): {
        "FindLicenses": ("licenses_found",),
        "GetSharedFile": ("license_shared",),
        **dict.fromkeys(("VerifyData", "VerifyFile"), ("license_verified",)),
        "GetFieldTemplate": CATALOG,
    },
    ("licenses.copies.rpc", "POLICY"): {
        "MakeEndorsedCopy": ("license_copied",),
        "GetEndorsedCopy": ("license_copy_read",),
        "EndEndorsedCopy": ("license_copy_ended",),
        "ListEndorsedCopies": OWN,
    },
    ("licenses.offline.rpc", "POLICY"): {
        "PresentOffline": ("license_presented",),
        "GetPresentingTrust": PUBLIC,
    },
    ("licenses.statuslist.rpc", "POLICY"): {
        "PublishStatusLists": ("status_lists_published",),
        **dict.fromkeys(("GetStatusList", "ListStatusLists"), PUBLIC),
    },
    ("licenses.delegations.rpc", "POLICY"): {
        "CreateDelegation": ("license_delegated",),
        "EndDelegation": ("delegation_ended",),
        "ListDelegatedLicenses": ("delegated_licenses_listed",),
        "ListDelegations": OWN,
    },
    ("licenses.archiving.rpc", "POLICY"): {
        "ArchiveLicense": ("archived",),
        "ArchiveCase": ("archived",),
        "GetArchiveFile": ("archive_read",),
        "CheckArchive": ("archive_checked",),
        "MakeCheckReport": ("archive_report_sealed",),
        "AskDestruction": ("archive_destruction_asked",),
        "ApproveDestruction": ("archive_destruction_approved", "archive_destroyed"),
        "RejectDestruction": ("archive_destruction_rejected",),
        **dict.fromkeys(("GetArchive", "ListArchives", "ListStrays"), OWN),
    },
    ("licenses.materials.rpc", "POLICY"): {
        "PutHandling": ("handling_put",),
        "PlanMaterials": ("materials_planned",),
        "BeginCollection": ("collection_consented",),
        "PutEntries": ("collection_entered",),
        "CollectMaterials": ("materials_collected",),
        "EndCollection": ("collection_consent_withdrawn",),
        "GetCollectedDocument": ("collected_document_read",),
        "GetCollection": ("collection_read",),
        "ListCollections": OWN,
        **dict.fromkeys(
            ("GetHandling", "ListHandlings", "ListServiceItems", "ReportMaterials"), CATALOG
        ),
    },
    ("licenses.batches.rpc", "POLICY"): {
        "CreateIssueBatch": ("license_batch_created",),
        "CancelIssueBatch": ("license_batch_cancelled",),
        **dict.fromkeys(("GetIssueBatch", "ListIssueBatches", "ListIssueBatchResults"), OWN),
    },
}  # fmt: skip
READING = ("Get", "List", "Compare", "Search", "Count", "Report", "Explain", "WhatIf", "Discover")


def words_of(package: str) -> set[str]:
    """Every text that stands in the code of a feature, and what it makes of its pieces."""
    folder = ROOT / package.replace(".", "/")
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else []
    if package.startswith("exchange"):
        files += [ROOT / "exchange" / "refusals.py", ROOT / "exchange" / "refusing.py"]
    beside = {
        "licenses.presentations": ("accesses",),
        "licenses.offline": ("presentations",),
        "licenses.sharing": ("copies", "verifying"),
    }
    for one in beside.get(package, ()):
        files += (ROOT / "licenses" / one).glob("*.py")
    return {
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize(("module", "table"), TABLES, ids=lambda one: one)
def test_every_act_leaves_a_leaf(module: str, table: str) -> None:
    policy = getattr(importlib.import_module(module), table)
    said = TABLES[module, table]
    assert set(said) == set(policy)
    words = words_of(module.rpartition(".")[0])
    for method, kinds in said.items():
        if isinstance(kinds, str):
            assert method.startswith(READING) or len(kinds) > 20, f"{method} changes something"
            continue
        for kind in kinds:
            head, _, tail = kind.partition("_")
            # Some are put together: `seal_{kind}`, `{list}_put`.
            parts = {f"{head}_"} <= words and tail in words
            parts |= head in words and f"_{tail}" in words
            assert kind in words or parts, f"{method}: nothing records {kind}"


def test_every_kind_is_called_something_at_the_pages() -> None:
    kinds = {
        kind
        for table in TABLES.values()
        for said in table.values()
        if not isinstance(said, str)
        for kind in said
    }
    # Of clocks, which other acts start and end, what their service records.
    kinds |= {word for word in words_of("exchange.deadlines") if word.startswith("deadline_")} - {
        "deadline_kind", "deadline_notice", "deadline_notices",
    }  # fmt: skip
    assert kinds - set(KINDS) == set()
    assert all(english and chinese for english, chinese in KINDS.values())


def test_every_policy_table_stands_here() -> None:
    """But the parts of the seal service's, which are in its whole one."""
    found = {
        (".".join(path.relative_to(ROOT).with_suffix("").parts), target.id)
        for package in ("exchange", "seal", "licenses")
        for path in (ROOT / package).rglob("rpc*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign)
        for target in [node.target]
        if isinstance(target, ast.Name) and target.id.endswith("POLICY")
    }
    parts = {
        ("seal.rpc_life", "LIFE_POLICY"),
        ("seal.rpc_sealing", "SEALING_POLICY"),
        ("seal.rpc_verifying", "VERIFYING_POLICY"),
        ("seal.rpc_evidence", "EVIDENCE_POLICY"),
    }
    assert found - parts == set(TABLES)
    whole = importlib.import_module("seal.rpc").POLICY
    for module, table in parts:
        assert set(getattr(importlib.import_module(module), table)) <= set(whole)
