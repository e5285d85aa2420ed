"""The public names of scipy.special and scipy.linalg, and why some are not traced. Must import neither SciPy nor MLIR.

SciPy need not be installed: the list is that of the version named here.
"""

from __future__ import annotations

import re

from difc.numpy.gaps import Gap

__all__ = ["LINALG_NAMES", "NAMES", "VERSION", "gap", "linalg_gap"]

#: The version of SciPy that the names are from.
VERSION = "1.17"

_TEXT = """
SpecialFunctionError SpecialFunctionWarning agm ai_zeros airy airye assoc_laguerre assoc_legendre_p
assoc_legendre_p_all bdtr bdtrc bdtri bdtrik bdtrin bei bei_zeros beip beip_zeros ber ber_zeros bernoulli berp
berp_zeros besselpoly beta betainc betaincc betainccinv betaincinv betaln bi_zeros binom boxcox boxcox1p btdtria
btdtrib c_roots cbrt cg_roots chdtr chdtrc chdtri chdtriv chebyc chebys chebyt chebyu chndtr chndtridf chndtrinc
chndtrix comb cosdg cosm1 cotdg dawsn digamma diric ellip_harm ellip_harm_2 ellip_normal ellipe ellipeinc ellipj
ellipk ellipkinc ellipkm1 elliprc elliprd elliprf elliprg elliprj entr erf erf_zeros erfc erfcinv erfcx erfi
erfinv errstate euler eval_chebyc eval_chebys eval_chebyt eval_chebyu eval_gegenbauer eval_genlaguerre
eval_hermite eval_hermitenorm eval_jacobi eval_laguerre eval_legendre eval_sh_chebyt eval_sh_chebyu
eval_sh_jacobi eval_sh_legendre exp1 exp10 exp2 expi expit expm1 expn exprel factorial factorial2 factorialk
fdtr fdtrc fdtri fdtridfd fresnel fresnel_zeros fresnelc_zeros fresnels_zeros gamma gammainc gammaincc
gammainccinv gammaincinv gammaln gammasgn gdtr gdtrc gdtria gdtrib gdtrix gegenbauer genlaguerre geterr
h1vp h2vp h_roots hankel1 hankel1e hankel2 hankel2e he_roots hermite hermitenorm huber hyp0f1 hyp1f1 hyp2f1
hyperu i0 i0e i1 i1e inv_boxcox inv_boxcox1p it2i0k0 it2j0y0 it2struve0 itairy iti0k0 itj0y0 itmodstruve0
itstruve0 iv ive ivp j0 j1 j_roots jacobi jn jn_zeros jnjnp_zeros jnp_zeros jnyn_zeros js_roots jv jve jvp k0
k0e k1 k1e kei kei_zeros keip keip_zeros kelvin kelvin_zeros ker ker_zeros kerp kerp_zeros kl_div kn kolmogi
kolmogorov kv kve kvp l_roots la_roots laguerre lambertw legendre legendre_p legendre_p_all lmbda log1p
log_expit log_ndtr log_softmax log_wright_bessel loggamma logit logsumexp lpmv lqmn lqn mathieu_a mathieu_b
mathieu_cem mathieu_even_coef mathieu_modcem1 mathieu_modcem2 mathieu_modsem1 mathieu_modsem2 mathieu_odd_coef
mathieu_sem modfresnelm modfresnelp modstruve multigammaln nbdtr nbdtrc nbdtri nbdtrik nbdtrin ncfdtr ncfdtri
ncfdtridfd ncfdtridfn ncfdtrinc nctdtr nctdtridf nctdtrinc nctdtrit ndtr ndtri ndtri_exp nrdtrimn nrdtrisd
obl_ang1 obl_ang1_cv obl_cv obl_cv_seq obl_rad1 obl_rad1_cv obl_rad2 obl_rad2_cv owens_t p_roots pbdn_seq pbdv
pbdv_seq pbvv pbvv_seq pbwa pdtr pdtrc pdtri pdtrik perm poch polygamma powm1 pro_ang1 pro_ang1_cv pro_cv
pro_cv_seq pro_rad1 pro_rad1_cv pro_rad2 pro_rad2_cv ps_roots pseudo_huber psi radian rel_entr rgamma riccati_jn
riccati_yn roots_chebyc roots_chebys roots_chebyt roots_chebyu roots_gegenbauer roots_genlaguerre roots_hermite
roots_hermitenorm roots_jacobi roots_laguerre roots_legendre roots_sh_chebyt roots_sh_chebyu roots_sh_jacobi
roots_sh_legendre round s_roots seterr sh_chebyt sh_chebyu sh_jacobi sh_legendre shichi sici sinc sindg smirnov
smirnovi softmax softplus spence sph_harm_y sph_harm_y_all sph_legendre_p sph_legendre_p_all spherical_in
spherical_jn spherical_kn spherical_yn stdtr stdtridf stdtrit stirling2 struve t_roots tandg tklmbda ts_roots
u_roots us_roots voigt_profile wofz wright_bessel wrightomega xlog1py xlogy y0 y0_zeros y1 y1_zeros y1p_zeros yn
yn_zeros ynp_zeros yv yve yvp zeta zetac
"""
#: All public names of scipy.special.
NAMES = _TEXT.split()

_LINALG_TEXT = """
LinAlgError LinAlgWarning bandwidth block_diag cdf2rdf cho_factor cho_solve cho_solve_banded cholesky cholesky_banded
circulant clarkson_woodruff_transform companion convolution_matrix coshm cosm cossin det dft diagsvd eig eig_banded eigh
eigh_tridiagonal eigvals eigvals_banded eigvalsh eigvalsh_tridiagonal expm expm_cond expm_frechet fiedler
fiedler_companion find_best_blas_type fractional_matrix_power funm get_blas_funcs get_lapack_funcs hadamard hankel
helmert hessenberg hilbert inv invhilbert invpascal ishermitian issymmetric khatri_rao ldl leslie logm lstsq lu
lu_factor lu_solve matmul_toeplitz matrix_balance norm null_space ordqz orth orthogonal_procrustes pascal pinv pinvh
polar qr qr_delete qr_insert qr_multiply qr_update qz rq rsf2csf schur signm sinhm sinm solve solve_banded
solve_circulant solve_continuous_are solve_continuous_lyapunov solve_discrete_are solve_discrete_lyapunov
solve_lyapunov solve_sylvester solve_toeplitz solve_triangular solveh_banded sqrtm subspace_angles svd svdvals tanhm
tanm toeplitz
"""
#: All public functions and classes of scipy.linalg.
LINALG_NAMES = _LINALG_TEXT.split()

_OUTSIDE = "call SciPy's outside the traced function"

#: pattern of names -> why they are not traced; the first that fits
_GAPS: list[tuple[str, Gap]] = [
    ("SpecialFunction.*|errstate|geterr|seterr", Gap("it is about errors of SciPy, not about numbers", _OUTSIDE)),
    (
        ".*_zeros|(roots_)?.*_roots|roots_.*|bernoulli|euler|stirling2",
        Gap("its results are constants, which SciPy computes from numbers known beforehand", _OUTSIDE),
    ),
    (
        "chebyc|chebys|chebyt|chebyu|gegenbauer|genlaguerre|hermite|hermitenorm|jacobi|laguerre|legendre|sh_.*",
        Gap("it makes a polynomial object", "use np.polyval with its coefficients"),
    ),
    (
        "eval_.*|assoc_.*|legendre_p.*|sph_.*|lpmv|lqm?n",
        Gap("orthogonal polynomials are not traced", "use their recurrence"),
    ),
    ("hankel.*|h[12]vp|sph_harm.*|wofz|kelvin", Gap("complex numbers are not supported", _OUTSIDE)),
    (
        "[ijky](n|v|0|1|ve|vp|0e|1e|ne)|.*ai(ry|rye)|spherical_.*|riccati.*|it.*|[bk]e[ir]p?|.*struve.*|besselpoly|jnj.*",
        Gap("Bessel functions but those of order 0 and 1 are not traced", _OUTSIDE),
    ),
    (
        "(b|ch|f|g|n|nb|ncf|nct|p|st)dtr.*|chnd.*|btdtr.*|nrdtr.*|kolmog.*|smirn.*|owens_t|tklmbda|voigt.*",
        Gap("distribution functions but the normal one are not traced", "use ndtr, ndtri, log_ndtr or gammainc"),
    ),
    ("ellip.*", Gap("elliptic integrals are not traced", "use a quadrature of the integrand")),
    ("pro_.*|obl_.*|mathieu_.*|pb.*|modfresnel.*", Gap("functions of waves are not traced", _OUTSIDE)),
]
_LINALG_GAPS: list[tuple[str, Gap]] = [
    ("lstsq", Gap("NumPy has it", "use numpy.linalg.lstsq")),
    ("pinvh", Gap("it is a special case of pinv", "use pinv")),
    ("eig|eigvals|schur|qz|ordqz|cdf2rdf|rsf2csf", Gap("complex numbers are not supported", _OUTSIDE)),
    (
        ".*(banded|toeplitz|circulant|tridiagonal)",
        Gap("structured matrices are not traced", "use the full matrix, as toeplitz makes it"),
    ),
    (
        "companion|conv.*|dft|diagsvd|fiedler.*|hadamard|helmert|(inv)?(hilbert|pascal)|leslie",
        Gap("matrices of a known form are not traced", "make it outside, or of its elements with np.stack"),
    ),
    ("LinAlg.*|.*_funcs|find_.*", Gap("it is about errors or libraries, not about numbers", _OUTSIDE)),
]


def gap(name: str) -> Gap:
    """Return why a name of scipy.special is not traced."""
    return _first(_GAPS, name)


def linalg_gap(name: str) -> Gap:
    """Return why a name of scipy.linalg is not traced."""
    return _first(_LINALG_GAPS, name)


def _first(gaps: list[tuple[str, Gap]], name: str) -> Gap:
    """Return the gap of the first pattern that a name fits."""
    fitting = (found for pattern, found in gaps if re.fullmatch(pattern, name))
    return next(fitting, Gap("it is not traced", _OUTSIDE))
