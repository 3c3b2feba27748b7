/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "auto.h"

#define VALID(number, file)                                                                        \
    {                                                                                              \
        number, file, HOLDS, NULL, 0                                                               \
    }
#define INVALID(number, file, reason)                                                              \
    {                                                                                              \
        number, file, reason, NULL, 0                                                              \
    }
#define POLICY(number, file, want, policies, asks)                                                 \
    {                                                                                              \
        number, file, want, policies, asks                                                         \
    }

static const struct vector signatures[] = {
    VALID("4.1.1", "ValidCertificatePathTest1EE"),
    INVALID("4.1.2", "InvalidCASignatureTest2EE", REASON_BAD_SIGNATURE),
    INVALID("4.1.3", "InvalidEESignatureTest3EE", REASON_BAD_SIGNATURE),
    VALID("4.1.4", "ValidDSASignaturesTest4EE"),
    VALID("4.1.5", "ValidDSAParameterInheritanceTest5EE"),
    INVALID("4.1.6", "InvalidDSASignatureTest6EE", REASON_BAD_SIGNATURE),
};

static const struct vector validity[] = {
    INVALID("4.2.1", "InvalidCAnotBeforeDateTest1EE", REASON_NOT_YET_VALID),
    INVALID("4.2.2", "InvalidEEnotBeforeDateTest2EE", REASON_NOT_YET_VALID),
    VALID("4.2.3", "Validpre2000UTCnotBeforeDateTest3EE"),
    VALID("4.2.4", "ValidGeneralizedTimenotBeforeDateTest4EE"),
    INVALID("4.2.5", "InvalidCAnotAfterDateTest5EE", REASON_EXPIRED),
    INVALID("4.2.6", "InvalidEEnotAfterDateTest6EE", REASON_EXPIRED),
    INVALID("4.2.7", "Invalidpre2000UTCEEnotAfterDateTest7EE", REASON_EXPIRED),
    VALID("4.2.8", "ValidGeneralizedTimenotAfterDateTest8EE"),
};

static const struct vector name_chaining[] = {
    INVALID("4.3.1", "InvalidNameChainingTest1EE", REASON_UNTRUSTED),
    INVALID("4.3.2", "InvalidNameChainingOrderTest2EE", REASON_UNTRUSTED),
    VALID("4.3.3", "ValidNameChainingWhitespaceTest3EE"),
    VALID("4.3.4", "ValidNameChainingWhitespaceTest4EE"),
    VALID("4.3.5", "ValidNameChainingCapitalizationTest5EE"),
    VALID("4.3.6", "ValidNameUIDsTest6EE"),
    VALID("4.3.7", "ValidRFC3280MandatoryAttributeTypesTest7EE"),
    VALID("4.3.8", "ValidRFC3280OptionalAttributeTypesTest8EE"),
    VALID("4.3.9", "ValidUTF8StringEncodedNamesTest9EE"),
    VALID("4.3.10", "ValidRolloverfromPrintableStringtoUTF8StringTest10EE"),
    VALID("4.3.11", "ValidUTF8StringCaseInsensitiveMatchTest11EE"),
};

static const struct vector revocation[] = {
    INVALID("4.4.1", "InvalidMissingCRLTest1EE", REASON_CRL_MISSING),
    INVALID("4.4.2", "InvalidRevokedCATest2EE", REASON_REVOKED),
    INVALID("4.4.3", "InvalidRevokedEETest3EE", REASON_REVOKED),
    INVALID("4.4.4", "InvalidBadCRLSignatureTest4EE", REASON_CRL_INVALID),
    INVALID("4.4.5", "InvalidBadCRLIssuerNameTest5EE", REASON_CRL_MISSING),
    INVALID("4.4.6", "InvalidWrongCRLTest6EE", REASON_CRL_MISSING),
    VALID("4.4.7", "ValidTwoCRLsTest7EE"),
    INVALID("4.4.8", "InvalidUnknownCRLEntryExtensionTest8EE", REASON_CRL_INVALID),
    INVALID("4.4.9", "InvalidUnknownCRLExtensionTest9EE", REASON_CRL_INVALID),
    INVALID("4.4.10", "InvalidUnknownCRLExtensionTest10EE", REASON_CRL_INVALID),
    INVALID("4.4.11", "InvalidOldCRLnextUpdateTest11EE", REASON_CRL_STALE),
    INVALID("4.4.12", "Invalidpre2000CRLnextUpdateTest12EE", REASON_CRL_STALE),
    VALID("4.4.13", "ValidGeneralizedTimeCRLnextUpdateTest13EE"),
    VALID("4.4.14", "ValidNegativeSerialNumberTest14EE"),
    INVALID("4.4.15", "InvalidNegativeSerialNumberTest15EE", REASON_REVOKED),
    VALID("4.4.16", "ValidLongSerialNumberTest16EE"),
    VALID("4.4.17", "ValidLongSerialNumberTest17EE"),
    INVALID("4.4.18", "InvalidLongSerialNumberTest18EE", REASON_REVOKED),
    VALID("4.4.19", "ValidSeparateCertificateandCRLKeysTest19EE"),
    INVALID("4.4.20", "InvalidSeparateCertificateandCRLKeysTest20EE", REASON_REVOKED),
    INVALID("4.4.21", "InvalidSeparateCertificateandCRLKeysTest21EE", REASON_CRL_INVALID),
};

static const struct vector self_issued[] = {
    VALID("4.5.1", "ValidBasicSelfIssuedOldWithNewTest1EE"),
    INVALID("4.5.2", "InvalidBasicSelfIssuedOldWithNewTest2EE", REASON_REVOKED),
    VALID("4.5.3", "ValidBasicSelfIssuedNewWithOldTest3EE"),
    VALID("4.5.4", "ValidBasicSelfIssuedNewWithOldTest4EE"),
    INVALID("4.5.5", "InvalidBasicSelfIssuedNewWithOldTest5EE", REASON_REVOKED),
    VALID("4.5.6", "ValidBasicSelfIssuedCRLSigningKeyTest6EE"),
    INVALID("4.5.7", "InvalidBasicSelfIssuedCRLSigningKeyTest7EE", REASON_REVOKED),
    INVALID("4.5.8", "InvalidBasicSelfIssuedCRLSigningKeyTest8EE", REASON_UNTRUSTED),
};

static const struct vector basic_constraints[] = {
    INVALID("4.6.1", "InvalidMissingbasicConstraintsTest1EE", REASON_NOT_A_CA),
    INVALID("4.6.2", "InvalidcAFalseTest2EE", REASON_NOT_A_CA),
    INVALID("4.6.3", "InvalidcAFalseTest3EE", REASON_NOT_A_CA),
    VALID("4.6.4", "ValidbasicConstraintsNotCriticalTest4EE"),
    INVALID("4.6.5", "InvalidpathLenConstraintTest5EE", REASON_CHAIN_INVALID),
    INVALID("4.6.6", "InvalidpathLenConstraintTest6EE", REASON_CHAIN_INVALID),
    VALID("4.6.7", "ValidpathLenConstraintTest7EE"),
    VALID("4.6.8", "ValidpathLenConstraintTest8EE"),
    INVALID("4.6.9", "InvalidpathLenConstraintTest9EE", REASON_CHAIN_INVALID),
    INVALID("4.6.10", "InvalidpathLenConstraintTest10EE", REASON_CHAIN_INVALID),
    INVALID("4.6.11", "InvalidpathLenConstraintTest11EE", REASON_CHAIN_INVALID),
    INVALID("4.6.12", "InvalidpathLenConstraintTest12EE", REASON_CHAIN_INVALID),
    VALID("4.6.13", "ValidpathLenConstraintTest13EE"),
    VALID("4.6.14", "ValidpathLenConstraintTest14EE"),
    VALID("4.6.15", "ValidSelfIssuedpathLenConstraintTest15EE"),
    INVALID("4.6.16", "InvalidSelfIssuedpathLenConstraintTest16EE", REASON_CHAIN_INVALID),
    VALID("4.6.17", "ValidSelfIssuedpathLenConstraintTest17EE"),
};

static const struct vector key_usage[] = {
    INVALID("4.7.1", "InvalidkeyUsageCriticalkeyCertSignFalseTest1EE", REASON_NOT_A_CA),
    INVALID("4.7.2", "InvalidkeyUsageNotCriticalkeyCertSignFalseTest2EE", REASON_NOT_A_CA),
    VALID("4.7.3", "ValidkeyUsageNotCriticalTest3EE"),
    INVALID("4.7.4", "InvalidkeyUsageCriticalcRLSignFalseTest4EE", REASON_CRL_INVALID),
    INVALID("4.7.5", "InvalidkeyUsageNotCriticalcRLSignFalseTest5EE", REASON_CRL_INVALID),
};

static const struct vector policies[] = {
    POLICY("4.8.1.1", "ValidCertificatePathTest1EE", HOLDS, NULL, ASKS_EXPLICIT),
    POLICY("4.8.1.2", "ValidCertificatePathTest1EE", HOLDS, "1", ASKS_EXPLICIT),
    POLICY("4.8.1.3", "ValidCertificatePathTest1EE", REASON_NO_RULE, "2", ASKS_EXPLICIT),
    POLICY("4.8.1.4", "ValidCertificatePathTest1EE", HOLDS, "12", ASKS_EXPLICIT),
    VALID("4.8.2.1", "AllCertificatesNoPoliciesTest2EE"),
    POLICY("4.8.2.2", "AllCertificatesNoPoliciesTest2EE", REASON_NO_RULE, NULL, ASKS_EXPLICIT),
    VALID("4.8.3.1", "DifferentPoliciesTest3EE"),
    POLICY("4.8.3.2", "DifferentPoliciesTest3EE", REASON_NO_RULE, NULL, ASKS_EXPLICIT),
    POLICY("4.8.3.3", "DifferentPoliciesTest3EE", REASON_NO_RULE, "12", ASKS_EXPLICIT),
    INVALID("4.8.4", "DifferentPoliciesTest4EE", REASON_CHAIN_INVALID),
    INVALID("4.8.5", "DifferentPoliciesTest5EE", REASON_CHAIN_INVALID),
    VALID("4.8.6.1", "OverlappingPoliciesTest6EE"),
    POLICY("4.8.6.2", "OverlappingPoliciesTest6EE", HOLDS, "1", 0),
    POLICY("4.8.6.3", "OverlappingPoliciesTest6EE", REASON_NO_RULE, "2", 0),
    INVALID("4.8.7", "DifferentPoliciesTest7EE", REASON_CHAIN_INVALID),
    INVALID("4.8.8", "DifferentPoliciesTest8EE", REASON_CHAIN_INVALID),
    INVALID("4.8.9", "DifferentPoliciesTest9EE", REASON_CHAIN_INVALID),
    VALID("4.8.10.1", "AllCertificatesSamePoliciesTest10EE"),
    POLICY("4.8.10.2", "AllCertificatesSamePoliciesTest10EE", HOLDS, "1", 0),
    POLICY("4.8.10.3", "AllCertificatesSamePoliciesTest10EE", HOLDS, "2", 0),
    VALID("4.8.11.1", "AllCertificatesanyPolicyTest11EE"),
    POLICY("4.8.11.2", "AllCertificatesanyPolicyTest11EE", HOLDS, "1", 0),
    INVALID("4.8.12", "DifferentPoliciesTest12EE", REASON_CHAIN_INVALID),
    POLICY("4.8.13.1", "AllCertificatesSamePoliciesTest13EE", HOLDS, "1", 0),
    POLICY("4.8.13.2", "AllCertificatesSamePoliciesTest13EE", HOLDS, "2", 0),
    POLICY("4.8.13.3", "AllCertificatesSamePoliciesTest13EE", HOLDS, "3", 0),
    POLICY("4.8.14.1", "AnyPolicyTest14EE", HOLDS, "1", 0),
    POLICY("4.8.14.2", "AnyPolicyTest14EE", REASON_NO_RULE, "2", 0),
    VALID("4.8.15", "UserNoticeQualifierTest15EE"),
    VALID("4.8.16", "UserNoticeQualifierTest16EE"),
    VALID("4.8.17", "UserNoticeQualifierTest17EE"),
    POLICY("4.8.18.1", "UserNoticeQualifierTest18EE", HOLDS, "1", 0),
    POLICY("4.8.18.2", "UserNoticeQualifierTest18EE", HOLDS, "2", 0),
    VALID("4.8.19", "UserNoticeQualifierTest19EE"),
    POLICY("4.8.20", "CPSPointerQualifierTest20EE", HOLDS, NULL, ASKS_EXPLICIT),
};

static const struct vector explicit_policy[] = {
    VALID("4.9.1", "ValidrequireExplicitPolicyTest1EE"),
    VALID("4.9.2", "ValidrequireExplicitPolicyTest2EE"),
    INVALID("4.9.3", "InvalidrequireExplicitPolicyTest3EE", REASON_CHAIN_INVALID),
    VALID("4.9.4", "ValidrequireExplicitPolicyTest4EE"),
    INVALID("4.9.5", "InvalidrequireExplicitPolicyTest5EE", REASON_CHAIN_INVALID),
    VALID("4.9.6", "ValidSelfIssuedrequireExplicitPolicyTest6EE"),
    INVALID("4.9.7", "InvalidSelfIssuedrequireExplicitPolicyTest7EE", REASON_CHAIN_INVALID),
    INVALID("4.9.8", "InvalidSelfIssuedrequireExplicitPolicyTest8EE", REASON_CHAIN_INVALID),
};

static const struct vector mappings[] = {
    POLICY("4.10.1.1", "ValidPolicyMappingTest1EE", HOLDS, "1", 0),
    POLICY("4.10.1.2", "ValidPolicyMappingTest1EE", REASON_NO_RULE, "2", 0),
    POLICY("4.10.1.3", "ValidPolicyMappingTest1EE", REASON_CHAIN_INVALID, NULL,
           ASKS_INHIBIT_MAPPING),
    INVALID("4.10.2.1", "InvalidPolicyMappingTest2EE", REASON_CHAIN_INVALID),
    POLICY("4.10.2.2", "InvalidPolicyMappingTest2EE", REASON_CHAIN_INVALID, NULL,
           ASKS_INHIBIT_MAPPING),
    POLICY("4.10.3.1", "ValidPolicyMappingTest3EE", REASON_NO_RULE, "1", 0),
    POLICY("4.10.3.2", "ValidPolicyMappingTest3EE", HOLDS, "2", 0),
    INVALID("4.10.4", "InvalidPolicyMappingTest4EE", REASON_CHAIN_INVALID),
    POLICY("4.10.5.1", "ValidPolicyMappingTest5EE", HOLDS, "1", 0),
    POLICY("4.10.5.2", "ValidPolicyMappingTest5EE", REASON_NO_RULE, "6", 0),
    POLICY("4.10.6.1", "ValidPolicyMappingTest6EE", HOLDS, "1", 0),
    POLICY("4.10.6.2", "ValidPolicyMappingTest6EE", REASON_NO_RULE, "6", 0),
    INVALID("4.10.7", "InvalidMappingFromanyPolicyTest7EE", REASON_CHAIN_INVALID),
    INVALID("4.10.8", "InvalidMappingToanyPolicyTest8EE", REASON_CHAIN_INVALID),
    VALID("4.10.9", "ValidPolicyMappingTest9EE"),
    INVALID("4.10.10", "InvalidPolicyMappingTest10EE", REASON_CHAIN_INVALID),
    VALID("4.10.11", "ValidPolicyMappingTest11EE"),
    POLICY("4.10.12.1", "ValidPolicyMappingTest12EE", HOLDS, "1", 0),
    POLICY("4.10.12.2", "ValidPolicyMappingTest12EE", HOLDS, "2", 0),
    VALID("4.10.13", "ValidPolicyMappingTest13EE"),
    VALID("4.10.14", "ValidPolicyMappingTest14EE"),
};

static const struct vector inhibit_mapping[] = {
    INVALID("4.11.1", "InvalidinhibitPolicyMappingTest1EE", REASON_CHAIN_INVALID),
    VALID("4.11.2", "ValidinhibitPolicyMappingTest2EE"),
    INVALID("4.11.3", "InvalidinhibitPolicyMappingTest3EE", REASON_CHAIN_INVALID),
    VALID("4.11.4", "ValidinhibitPolicyMappingTest4EE"),
    INVALID("4.11.5", "InvalidinhibitPolicyMappingTest5EE", REASON_CHAIN_INVALID),
    INVALID("4.11.6", "InvalidinhibitPolicyMappingTest6EE", REASON_CHAIN_INVALID),
    VALID("4.11.7", "ValidSelfIssuedinhibitPolicyMappingTest7EE"),
    INVALID("4.11.8", "InvalidSelfIssuedinhibitPolicyMappingTest8EE", REASON_CHAIN_INVALID),
    INVALID("4.11.9", "InvalidSelfIssuedinhibitPolicyMappingTest9EE", REASON_CHAIN_INVALID),
    INVALID("4.11.10", "InvalidSelfIssuedinhibitPolicyMappingTest10EE", REASON_CHAIN_INVALID),
    INVALID("4.11.11", "InvalidSelfIssuedinhibitPolicyMappingTest11EE", REASON_CHAIN_INVALID),
};

static const struct vector inhibit_any[] = {
    INVALID("4.12.1", "InvalidinhibitAnyPolicyTest1EE", REASON_CHAIN_INVALID),
    VALID("4.12.2", "ValidinhibitAnyPolicyTest2EE"),
    VALID("4.12.3.1", "inhibitAnyPolicyTest3EE"),
    POLICY("4.12.3.2", "inhibitAnyPolicyTest3EE", REASON_CHAIN_INVALID, NULL, ASKS_INHIBIT_ANY),
    INVALID("4.12.4", "InvalidinhibitAnyPolicyTest4EE", REASON_CHAIN_INVALID),
    INVALID("4.12.5", "InvalidinhibitAnyPolicyTest5EE", REASON_CHAIN_INVALID),
    INVALID("4.12.6", "InvalidinhibitAnyPolicyTest6EE", REASON_CHAIN_INVALID),
    VALID("4.12.7", "ValidSelfIssuedinhibitAnyPolicyTest7EE"),
    INVALID("4.12.8", "InvalidSelfIssuedinhibitAnyPolicyTest8EE", REASON_CHAIN_INVALID),
    VALID("4.12.9", "ValidSelfIssuedinhibitAnyPolicyTest9EE"),
    INVALID("4.12.10", "InvalidSelfIssuedinhibitAnyPolicyTest10EE", REASON_CHAIN_INVALID),
};

static const struct vector name_constraints[] = {
    VALID("4.13.1", "ValidDNnameConstraintsTest1EE"),
    INVALID("4.13.2", "InvalidDNnameConstraintsTest2EE", REASON_CHAIN_INVALID),
    INVALID("4.13.3", "InvalidDNnameConstraintsTest3EE", REASON_CHAIN_INVALID),
    VALID("4.13.4", "ValidDNnameConstraintsTest4EE"),
    VALID("4.13.5", "ValidDNnameConstraintsTest5EE"),
    VALID("4.13.6", "ValidDNnameConstraintsTest6EE"),
    INVALID("4.13.7", "InvalidDNnameConstraintsTest7EE", REASON_CHAIN_INVALID),
    INVALID("4.13.8", "InvalidDNnameConstraintsTest8EE", REASON_CHAIN_INVALID),
    INVALID("4.13.9", "InvalidDNnameConstraintsTest9EE", REASON_CHAIN_INVALID),
    INVALID("4.13.10", "InvalidDNnameConstraintsTest10EE", REASON_CHAIN_INVALID),
    VALID("4.13.11", "ValidDNnameConstraintsTest11EE"),
    INVALID("4.13.12", "InvalidDNnameConstraintsTest12EE", REASON_CHAIN_INVALID),
    INVALID("4.13.13", "InvalidDNnameConstraintsTest13EE", REASON_CHAIN_INVALID),
    VALID("4.13.14", "ValidDNnameConstraintsTest14EE"),
    INVALID("4.13.15", "InvalidDNnameConstraintsTest15EE", REASON_CHAIN_INVALID),
    INVALID("4.13.16", "InvalidDNnameConstraintsTest16EE", REASON_CHAIN_INVALID),
    INVALID("4.13.17", "InvalidDNnameConstraintsTest17EE", REASON_CHAIN_INVALID),
    VALID("4.13.18", "ValidDNnameConstraintsTest18EE"),
    VALID("4.13.19", "ValidDNnameConstraintsTest19EE"),
    INVALID("4.13.20", "InvalidDNnameConstraintsTest20EE", REASON_CHAIN_INVALID),
    VALID("4.13.21", "ValidRFC822nameConstraintsTest21EE"),
    INVALID("4.13.22", "InvalidRFC822nameConstraintsTest22EE", REASON_CHAIN_INVALID),
    VALID("4.13.23", "ValidRFC822nameConstraintsTest23EE"),
    INVALID("4.13.24", "InvalidRFC822nameConstraintsTest24EE", REASON_CHAIN_INVALID),
    VALID("4.13.25", "ValidRFC822nameConstraintsTest25EE"),
    INVALID("4.13.26", "InvalidRFC822nameConstraintsTest26EE", REASON_CHAIN_INVALID),
    VALID("4.13.27", "ValidDNandRFC822nameConstraintsTest27EE"),
    INVALID("4.13.28", "InvalidDNandRFC822nameConstraintsTest28EE", REASON_CHAIN_INVALID),
    INVALID("4.13.29", "InvalidDNandRFC822nameConstraintsTest29EE", REASON_CHAIN_INVALID),
    VALID("4.13.30", "ValidDNSnameConstraintsTest30EE"),
    INVALID("4.13.31", "InvalidDNSnameConstraintsTest31EE", REASON_CHAIN_INVALID),
    VALID("4.13.32", "ValidDNSnameConstraintsTest32EE"),
    INVALID("4.13.33", "InvalidDNSnameConstraintsTest33EE", REASON_CHAIN_INVALID),
    VALID("4.13.34", "ValidURInameConstraintsTest34EE"),
    INVALID("4.13.35", "InvalidURInameConstraintsTest35EE", REASON_CHAIN_INVALID),
    VALID("4.13.36", "ValidURInameConstraintsTest36EE"),
    INVALID("4.13.37", "InvalidURInameConstraintsTest37EE", REASON_CHAIN_INVALID),
    INVALID("4.13.38", "InvalidDNSnameConstraintsTest38EE", REASON_CHAIN_INVALID),
};

static const struct vector distribution_points[] = {
    VALID("4.14.1", "ValiddistributionPointTest1EE"),
    INVALID("4.14.2", "InvaliddistributionPointTest2EE", REASON_REVOKED),
    INVALID("4.14.3", "InvaliddistributionPointTest3EE", REASON_CRL_MISSING),
    VALID("4.14.4", "ValiddistributionPointTest4EE"),
    VALID("4.14.5", "ValiddistributionPointTest5EE"),
    INVALID("4.14.6", "InvaliddistributionPointTest6EE", REASON_REVOKED),
    VALID("4.14.7", "ValiddistributionPointTest7EE"),
    INVALID("4.14.8", "InvaliddistributionPointTest8EE", REASON_CRL_MISSING),
    INVALID("4.14.9", "InvaliddistributionPointTest9EE", REASON_CRL_MISSING),
    VALID("4.14.10", "ValidNoissuingDistributionPointTest10EE"),
    INVALID("4.14.11", "InvalidonlyContainsUserCertsTest11EE", REASON_CRL_MISSING),
    INVALID("4.14.12", "InvalidonlyContainsCACertsTest12EE", REASON_CRL_MISSING),
    VALID("4.14.13", "ValidonlyContainsCACertsTest13EE"),
    INVALID("4.14.14", "InvalidonlyContainsAttributeCertsTest14EE", REASON_CRL_MISSING),
    INVALID("4.14.15", "InvalidonlySomeReasonsTest15EE", REASON_REVOKED),
    INVALID("4.14.16", "InvalidonlySomeReasonsTest16EE", REASON_REVOKED),
    INVALID("4.14.17", "InvalidonlySomeReasonsTest17EE", REASON_CRL_MISSING),
    VALID("4.14.18", "ValidonlySomeReasonsTest18EE"),
    VALID("4.14.19", "ValidonlySomeReasonsTest19EE"),
    INVALID("4.14.20", "InvalidonlySomeReasonsTest20EE", REASON_REVOKED),
    INVALID("4.14.21", "InvalidonlySomeReasonsTest21EE", REASON_REVOKED),
    VALID("4.14.22", "ValidIDPwithindirectCRLTest22EE"),
    INVALID("4.14.23", "InvalidIDPwithindirectCRLTest23EE", REASON_REVOKED),
    VALID("4.14.24", "ValidIDPwithindirectCRLTest24EE"),
    VALID("4.14.25", "ValidIDPwithindirectCRLTest25EE"),
    INVALID("4.14.26", "InvalidIDPwithindirectCRLTest26EE", REASON_CRL_MISSING),
    INVALID("4.14.27", "InvalidcRLIssuerTest27EE", REASON_CRL_MISSING),
    VALID("4.14.28", "ValidcRLIssuerTest28EE"),
    VALID("4.14.29", "ValidcRLIssuerTest29EE"),
    VALID("4.14.30", "ValidcRLIssuerTest30EE"),
    INVALID("4.14.31", "InvalidcRLIssuerTest31EE", REASON_REVOKED),
    INVALID("4.14.32", "InvalidcRLIssuerTest32EE", REASON_REVOKED),
    VALID("4.14.33", "ValidcRLIssuerTest33EE"),
    INVALID("4.14.34", "InvalidcRLIssuerTest34EE", REASON_REVOKED),
    INVALID("4.14.35", "InvalidcRLIssuerTest35EE", REASON_CRL_MISSING),
};

static const struct vector deltas[] = {
    INVALID("4.15.1", "InvaliddeltaCRLIndicatorNoBaseTest1EE", REASON_CRL_MISSING),
    VALID("4.15.2", "ValiddeltaCRLTest2EE"),
    INVALID("4.15.3", "InvaliddeltaCRLTest3EE", REASON_REVOKED),
    INVALID("4.15.4", "InvaliddeltaCRLTest4EE", REASON_REVOKED),
    VALID("4.15.5", "ValiddeltaCRLTest5EE"),
    INVALID("4.15.6", "InvaliddeltaCRLTest6EE", REASON_REVOKED),
    VALID("4.15.7", "ValiddeltaCRLTest7EE"),
    VALID("4.15.8", "ValiddeltaCRLTest8EE"),
    INVALID("4.15.9", "InvaliddeltaCRLTest9EE", REASON_REVOKED),
    INVALID("4.15.10", "InvaliddeltaCRLTest10EE", REASON_CRL_STALE),
};

static const struct vector private_extensions[] = {
    VALID("4.16.1", "ValidUnknownNotCriticalCertificateExtensionTest1EE"),
    INVALID("4.16.2", "InvalidUnknownCriticalCertificateExtensionTest2EE", REASON_CHAIN_INVALID),
};

const struct section sections[SECTIONS] = {
    { "4.1 signature verification", signatures, ARRAY_LEN(signatures) },
    { "4.2 validity periods", validity, ARRAY_LEN(validity) },
    { "4.3 name chaining", name_chaining, ARRAY_LEN(name_chaining) },
    { "4.4 basic revocation", revocation, ARRAY_LEN(revocation) },
    { "4.5 self-issued certificates", self_issued, ARRAY_LEN(self_issued) },
    { "4.6 basic constraints", basic_constraints, ARRAY_LEN(basic_constraints) },
    { "4.7 key usage", key_usage, ARRAY_LEN(key_usage) },
    { "4.8 certificate policies", policies, ARRAY_LEN(policies) },
    { "4.9 require explicit policy", explicit_policy, ARRAY_LEN(explicit_policy) },
    { "4.10 policy mappings", mappings, ARRAY_LEN(mappings) },
    { "4.11 inhibit policy mapping", inhibit_mapping, ARRAY_LEN(inhibit_mapping) },
    { "4.12 inhibit any policy", inhibit_any, ARRAY_LEN(inhibit_any) },
    { "4.13 name constraints", name_constraints, ARRAY_LEN(name_constraints) },
    { "4.14 distribution points", distribution_points, ARRAY_LEN(distribution_points) },
    { "4.15 delta CRLs", deltas, ARRAY_LEN(deltas) },
    { "4.16 private extensions", private_extensions, ARRAY_LEN(private_extensions) },
};
