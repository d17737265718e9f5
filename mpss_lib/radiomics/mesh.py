"""Surface mesh of a mask without making the mesh: marching cubes by table.

At isovalue 0.5 the surface of a 0/1 mask crosses each cut edge of a cell at its middle, so a cell's
triangles depend only on which of its 8 corners are inside. Area and volume of the whole mesh are
sums over the 256 kinds of cell, exact for any spacing. The table is the triangulation of Lewiner's
marching cubes (as in scikit-image, against which the tests compare).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mpss_lib.volume import BoolArray, FloatArray, Triple

# Cell kind = sum of 2**(4z + 2y + x) over inside corners. Three letters make a triangle: a-l are
# the middles of the 12 edges (z edges a-d, y edges e-h, x edges i-l), m is the cell's centre.
_TABLE = """
- eai bfi eaffab jce jciica eicibcfjcfcb jcfcbfcab djf jedeadifdida djbbji eajadjabd fdeedc
fdidaidca ibebcebdc dabcad agk iekkeg kbgbfgiagigf bfkfgkfeg cgjgkjaejajk gkckjckij
cgakagakbabifibifejefejceca cgkckbjcbfjb djfgka ifkdkfkdgjgdgje iajgjajgdkdgdkb bdjgbjegjkbg
faeafkdkfkdgcgd dcfckfkifkcg aeigkcbckcbd cgkbckdcb khb akekhebiebeh khiihf khaheahfe khbcej
jbibjhchjhckakc fjhchjhckekckei hfjahjcajhak hdkdjkfbkfkj akbhbkbhdbdfjfdfjieijieaiab
djhjkhjik hdjhjekheake fbekebekchckchd bifkhadahadc ikhcihdcheic akhdahcad agbbgh iebehbegh
agigfighf ehfghe hcgchjbjhjbeaeb ghbjgbijbcgj eiajcfgfcfgh fjcgfchfg hdgjgdgjafajafb
bifedjdehghe jiahjaghajhd hdjehjghe hdgcgdafbfae hmgmbgigbgicfcicfmmdchdmmfb
hmghamahidihidemeddcmmcgaem hdchcg clg galailecleli bfilgc ecflfcflbgblbga ejggjl aigilgijl
eigbgigblflblfj jlflafabflga cjgjfgdlgdgf dlcgclcgacaeieaeijfjijfdjdc icjcigbgigbldlb
cjelgdadgdab lgdgfdgef lgddgfgafaif geidgibdigdl dlgadgbda kallac clelielki kblflblfcicfcia
lkbelbfeblec ejajkajlk jkijlk aeijbfbjklkj kbfjkflkj kdldkfafkfajcja jecfdilidilk ciaicjkbldlb
kmlkcmckebekebjmjbbdmmdlcjm efaflalkafdl ifdlidkil kmlmalelaledidedimmbdkbmmia kbdkdl
lhchbckgckcb aeceaibiakbabkhghkhglclgacg flhlfcicfcigkgi akghclchefeh ekgkebjbebjhlhj
kgahblilblij fjhlhjkeiekg lmjmgjajgjafkfafkmmhflhmmkg dfbfdjcjdlcdclghglghkbkhdbh akgjecbifdlh
lhdgckjkckji jeckgalhd dlhgbkbgfefg ifblhdkga kmimhidihideledelmmgekgmmlh hdlkga hblbclbac
cleelilhihbi acichihficlh eclhelfeh bahajhjlhjae lhbilbjli lmjlemelahalahimihhfmmfjeim lhflfj
lhdbjfjbcacb dlhcjebif imjidmdihahihalmlaacmmcjdlm jecdlh fmemdeledelahalahmmbafbmmhd bifhdl
iaehdl lhd hld eaildh dflfillibhlb edfdelalelahbha lchcehjdhjhe jdihidihalahalc
bhdldhdlcdcjejcjefifefibfbd dfjhlbcblbca hlfflj jelalelahihahif hlbliblji abhjahljhaje
celehlefh caihcifhilch lceleihlibhi bhlcblabc glaldahkahad ihkhidedidelgle
biaibfdfbhdbdhlklhlkgagkbak hkbldgfgdgfe cjdjceaecgacagklkgklhdhlcdl cglkdhdkjijk cglfjdaeibhk
fjdglchkb jglgjafajafkhkf gjejglifkhkf bhklagalijil gmemkebekebjhjbjhmmljglmmhk glckahehahef
hmfmlfcflfcigicigmmkihkmmgl eiahkbglc kbhglc bkddkl lakaledeledibid fidildikl fealfakladfl
lckekckebjbebjd bidjdilakalc dfjicecilkli lmkmdkfkdkfajafajmmcalcmmjd bkfkjfklj ifbeajkjajkl
kjiljk jeakjaljk klblebefbelc lmklbmblfcflfcimiccammakbim lceilekli aklalc ldgdagdba
egigdidbidgl gldgdfagfiaf gldfgdegf glcdejedabad jmimcigicigblbgblmmdbjdmmlc cglaeidfj dfjlcg
ljfalfbafgla gmegimigblbgblfmflljmmjeifm iagligjil jegjgl fmefcmcflblflbgmgbbammaecgm ifbcgl
eiacgl lcg dhcchg gahihahidedidec gbhbgicigicfdfc gbhbgadfcecf dhjhejhge ijajhahgahjd
fjdibehebehg gmhgdmdgjajgjafmfaabmmbhdfm jfcfgcfhg cjefaiafghgf hgbgjbjibgcj
gmhmchjhchjbebjbemmabgammec hefhge gaifgihgf eibhebgeh gabgbh kahadhacd kihichcdhiec
hkbafifadcda emfebmbekckekchmhccdmmdfbhm dhjjhehkekae jdhkjhijk bhkdfjaei fjdbhk fhjhajacjahk
hmfhjmjhckchckemekkimmifjem imjmbjhjbjhckchckmmaciammkb bhkjec hkaehafhe hkihif bhkiae hkb
gckcbkcdb kgacieicbdbc cdfkcfikfckg emfmafkfafkdgdkdgmmcdecmmga dbjbgjgejbkg
jmijamajgdgjgdkmkddbmmbiakm kmikfmfkdgdkdgjmjggemmeifjm fjdakg gckkcbcjbjfb akgbifcje
kgcjkcikj akgecj fbkgfkefg ifbakg eikekg gak adbacd biecbedbc dfiadicda dfedec aejdajbad
jdbjbi iaefjd jdf cjfbcfacb fbijec cjicia cje aefafb fbi aei -
"""
_TRIANGLES = tuple(_TABLE.split())


def _vertices() -> FloatArray:
    points = []
    for axis in range(3):
        for first in (0.0, 1.0):
            for second in (0.0, 1.0):
                point = [first, second]
                point.insert(axis, 0.5)
                points.append(point)
    return np.array([*points, [0.5, 0.5, 0.5]])


@lru_cache(maxsize=16)
def _kinds(spacing_mm: Triple) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Area (256,), volume about the cell's own corner (256,), vector area / 6 (256, 3)."""
    area, volume, vector = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    points = _vertices() * spacing_mm
    for kind, letters in enumerate(_TRIANGLES):
        if letters == "-":
            continue
        corners = points[[ord(letter) - ord("a") for letter in letters]].reshape(-1, 3, 3)
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        normal = np.cross(b - a, c - a)
        area[kind] = 0.5 * np.linalg.norm(normal, axis=1).sum()
        volume[kind] = (a * np.cross(b, c)).sum() / 6.0
        vector[kind] = normal.sum(axis=0) / 6.0
    return area, volume, vector


def measure_mesh(mask: BoolArray, spacing_mm: Triple) -> tuple[float, float]:
    """Volume (mm3) and surface area (mm2) of a mask's mesh (IBSI RNU0, C0JK).

    Parameters
    ----------
    mask : (z, y, x) bool array
        Parts may be disconnected or touch the edge of the array.
    spacing_mm : (dz, dy, dx) float, mm

    Returns
    -------
    volume : float, mm3
    area : float, mm2
    """
    inside = np.pad(mask, 1).view(np.uint8)
    nz, ny, nx = (size - 1 for size in inside.shape)
    kind = np.zeros((nz, ny, nx), np.uint8)
    for corner in range(8):
        z, y, x = corner >> 2, corner >> 1 & 1, corner & 1
        kind |= inside[z : z + nz, y : y + ny, x : x + nx] << corner
    cells = np.flatnonzero((kind > 0) & (kind < 255))
    cell_kind = kind.ravel()[cells]
    area, volume, vector = _kinds(spacing_mm)
    count = np.bincount(cell_kind, minlength=256)
    # A tetrahedron over a triangle moved by t gains t . (vector area) / 3.
    moved = sum(
        (spacing * np.bincount(cell_kind, index, minlength=256)) @ vector[:, axis]
        for axis, (index, spacing) in enumerate(
            zip(np.unravel_index(cells, kind.shape), spacing_mm, strict=True)
        )
    )
    return abs(float(count @ volume + moved)), float(count @ area)


def outer_vertices(mask: BoolArray, spacing_mm: Triple) -> FloatArray:
    """Take the mesh vertices that can lie on the convex hull (IBSI HCUG).

    Mesh vertices lie on the grid's lines; on each line only the first and the last one matter.

    Parameters
    ----------
    mask : (z, y, x) bool array
    spacing_mm : (dz, dy, dx) float, mm

    Returns
    -------
    (n, 3) float64 array, mm
        (z, y, x).
    """
    points = []
    for axis in range(3):
        is_hit = mask.any(axis=axis)
        lines = np.argwhere(is_hit)
        first = mask.argmax(axis=axis)[is_hit] - 0.5
        last = mask.shape[axis] - np.flip(mask, axis).argmax(axis=axis)[is_hit] - 0.5
        points += [np.insert(lines.astype(np.float64), axis, end, axis=1) for end in (first, last)]
    vertices: FloatArray = np.concatenate(points) * np.asarray(spacing_mm)
    return vertices
