"""The most frequent Chinese characters, in both scripts.

Five hundred cover about three quarters of running text, enough to tell text from mojibake within a few
characters.  Counted over ordinary prose; the order is that of frequency.  ``decoding.py`` calls this.
"""

SIMPLIFIED = (
    "的是一不有在用了以个可人中上为这能大要时和就到会后下我来多如生于出发行对作方法过你国也么年家们分经机"
    "好面点成都定性动小高看文体果理开品最件所之自现等业进子数手其者公网还本新关应使合内同而主度天常入产心"
    "或说没工然学实组信全很通得地前间水日比务提部考更字因保相些选解种需无他情单将问里号式样接名加电重游外"
    "当期器服注与意物明线量但表步月道制正三次起系被位证化那什题图计回事特宝户格资血类型去设验建代身示并从"
    "只费程力击级易读及税容打此据标司口知长包美项安由目平码两做试价着场区版规病想具别市指第少结功银素医孕"
    "息该报色请形原活它再二科金专置值查话元怎感管修统女微取直带供您反复除消状择每伤论己阅已百技食收先片风"
    "确按处白支清戏持限变放见路参装认效吃玩象例况模运视较即给完载药传整吧几般页改销根各调写热节便险让交任"
    "把骤何基转商候维海术增受推头员牌至细非西属台构导右语算营存利向流质书连儿东真影求换议始超客且才空快养"
    "助展备创编额教英阳王周办排界强权立际南显哪简决左则首门北院板仅友测觉条称布吗师又免错投星山精源响早世"
    "必录照集准习记领万份售十找战币适止域职识企红太智登气造致否怀念询检续告态疗络边款皮总花册爱球近角龙补"
)

TRADITIONAL = (
    "個爲這時會後來於發對過國麼們經機點動體開現業進數網還關應內產說沒學實組間務選種無單將問裏號樣電遊當與"
    "線證題圖計寶戶資類設驗並從費擊級讀稅據標長項碼兩試價場區規別結銀醫該報請專話統帶復狀擇傷論閱風確處戲"
    "變見參裝認喫況運視較給載藥傳幾頁銷調寫熱節險讓驟轉維術頭員細屬臺構導語營質書連兒東換議養備創編額陽辦"
    "強權際顯簡決則門僅測覺條稱嗎師錯響錄準習記領萬戰幣適職識紅氣懷詢檢續態療絡邊總冊愛龍補為裡著麵臺灣"
)
"""Those of the list that are written otherwise in traditional script, with forms of Taiwan and Hong Kong."""

COMMON = frozenset(SIMPLIFIED + TRADITIONAL)
